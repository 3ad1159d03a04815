//! What every model is run with. Each program of this package holds the models of one crate, and compiles that crate's own
//! sources, unchanged, with [`sync`] in place of the crate's module of that name.
#![forbid(unsafe_code)]

pub mod sync;

use loom::model::Builder;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` in every order that its threads can take, and says in how many.
///
/// Where there are too many, `preemptions` bounds how often in one order a thread is stopped that could go on.
pub fn check(
    name: &str,
    threads: usize,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let bound = preemptions.map_or("all orders".to_owned(), |bound| format!("up to {bound} preemptions"));
    println!("| {name} | {threads} | {bound} | {} |", orders.load(Ordering::Relaxed));
}
