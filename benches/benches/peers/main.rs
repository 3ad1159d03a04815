//! Every row, this workspace's side and the peer's, one after the other in the same run.
#![allow(missing_docs)] // `criterion_group!` makes a public function
#![allow(clippy::expect_used)] // a benchmark that fails must stop
#![forbid(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "macos"))] // where the published runtime builds
mod published;

use benches::ours;
use benches::ours::works::unlock_and_read;
use criterion::{Criterion, criterion_group, criterion_main};
use runtime::memories::ram_memory::RamMemory;
use std::thread;
use std::time::Instant;

fn rows(criterion: &mut Criterion) {
    for (row, prepare) in ours::works::WORKS {
        let mut group = criterion.benchmark_group(*row);
        let mut work = prepare().expect("the row can be prepared");
        group.bench_function("ours", |bencher| bencher.iter(|| work().expect("the operation succeeds")));
        drop(work);
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        if let Some((_, prepare)) = published::works::WORKS.iter().find(|(name, _)| name == row) {
            let mut work = prepare().expect("the row can be prepared");
            group.bench_function("peer", |bencher| bencher.iter(|| work().expect("the operation succeeds")));
        }
        group.finish();
    }
}

/// The rate of two threads, each with a secret of its own, beside that of one.
fn two_threads(criterion: &mut Criterion) {
    let memories = [1, 2].map(|byte| RamMemory::alloc(&[byte; 32], 32).expect("the row can be prepared"));
    let run = |memories: &[RamMemory], operations: u64| {
        let begin = Instant::now();
        thread::scope(|scope| {
            for memory in memories {
                scope.spawn(|| {
                    for _ in 0..operations.div_ceil(memories.len() as u64) {
                        unlock_and_read(memory).expect("the operation succeeds");
                    }
                });
            }
        });
        begin.elapsed()
    };
    let mut group = criterion.benchmark_group("two-threads");
    group.bench_function("ours", |bencher| bencher.iter_custom(|operations| run(&memories, operations)));
    group.bench_function("peer", |bencher| bencher.iter_custom(|operations| run(&memories[..1], operations)));
    group.finish();
}

criterion_group!(benches, rows, two_threads);
criterion_main!(benches);
