//! Every row, this workspace's side and the peer's, one after the other in the same run.
#![allow(missing_docs)] // `criterion_group!` makes a public function
#![allow(clippy::expect_used)] // a benchmark that fails must stop
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")] // where they are built without more than cargo fetches
mod guarded;
#[cfg(any(target_os = "linux", target_os = "macos"))] // where the published runtime builds
mod published;

use benches::ours::works::unlock_and_read;
use benches::{OPERATIONS, SIZES, ours};
use criterion::{Criterion, criterion_group, criterion_main};
use runtime::memories::buffer::Buffer;
use runtime::memories::ram_memory::RamMemory;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

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

/// Every operation over sizes. Memories with room for one size alone are measured at that.
fn matrix(criterion: &mut Criterion) {
    let guarded = [("RamMemory, guarded", |bytes: &[u8]| RamMemory::guarded(bytes))];
    for operation in OPERATIONS {
        for size in SIZES {
            let mut group = criterion.benchmark_group(format!("{operation}, {size} bytes"));
            let mut ours = ours::matrix::entries();
            ours.extend(guarded.into_iter().flat_map(|(memory, make)| ours::matrix::of(memory, make)));
            for entry in ours.iter().filter(|entry| entry.operation == operation) {
                let mut work = (entry.prepare)(size).expect("the operation can be prepared");
                group.bench_function(entry.memory, |bencher| {
                    bencher.iter(|| work().expect("the operation succeeds"));
                });
            }
            #[cfg(any(target_os = "linux", target_os = "macos"))]
            for entry in published::matrix::entries().iter().filter(|entry| entry.operation == operation) {
                // Its fragments are owned twice after a clone, and freed twice.
                let crashes = entry.memory.contains("Frag") && ["clone", "update"].contains(&operation);
                let Some(mut work) = (!crashes).then(|| (entry.prepare)(size).ok()).flatten() else {
                    continue;
                };
                let Ok(()) = work() else { continue }; // it has no room for this size
                group.bench_function(format!("published {}", entry.memory), |bencher| {
                    bencher.iter(|| work().expect("the operation succeeds"));
                });
            }
            #[cfg(target_os = "linux")]
            for entry in guarded::entries().iter().filter(|entry| entry.operation == operation) {
                let Ok(mut work) = (entry.prepare)(size) else { continue };
                group.bench_function(&entry.library, |bencher| bencher.iter(&mut work));
            }
            group.finish();
        }
    }
}

/// The rate of two threads, each with a secret of its own, beside that of one.
fn two_threads(criterion: &mut Criterion) {
    let memories = [1, 2].map(|byte| RamMemory::alloc(&[byte; 32], 32).expect("the row can be prepared"));
    let unlock = |memory: &RamMemory| unlock_and_read(memory).expect("the operation succeeds");
    let mut group = criterion.benchmark_group("two-threads");
    group.bench_function("ours", |bencher| bencher.iter_custom(|count| shared(&memories, count, unlock)));
    group
        .bench_function("peer", |bencher| bencher.iter_custom(|count| shared(&memories[..1], count, unlock)));
    group.finish();

    // As many changes of protection as an unlocking makes, and next to nothing else.
    let buffers = [1, 2].map(|byte| Buffer::alloc(&[byte; 32], 32));
    let borrow_twice = |buffer: &Buffer<u8>| {
        black_box(buffer.borrow().first().copied());
        black_box(buffer.borrow().first().copied());
    };
    let mut group = criterion.benchmark_group("two-threads-floor");
    group.bench_function("two", |bencher| bencher.iter_custom(|count| shared(&buffers, count, borrow_twice)));
    group.bench_function("one", |bencher| {
        bencher.iter_custom(|count| shared(&buffers[..1], count, borrow_twice));
    });
    group.finish();
}

/// How long `count` operations take that threads share, one for each secret.
fn shared<S: Sync>(secrets: &[S], count: u64, operation: impl Fn(&S) + Sync) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        for secret in secrets {
            scope.spawn(|| (0..count.div_ceil(secrets.len() as u64)).for_each(|_| operation(secret)));
        }
    });
    begin.elapsed()
}

criterion_group!(benches, rows, two_threads, matrix);
criterion_main!(benches);
