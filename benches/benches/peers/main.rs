//! Every row, this workspace's side and the peer's, one after the other in the same run.
#![allow(missing_docs)] // `criterion_group!` makes a public function
#![allow(clippy::expect_used)] // a benchmark that fails must stop
#![forbid(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "macos"))] // where the published runtime builds
mod published;

use benches::ours;
use criterion::{Criterion, criterion_group, criterion_main};

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

criterion_group!(benches, rows);
criterion_main!(benches);
