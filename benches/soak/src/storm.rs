//! All of it at once, twice: to warm up, and for the time that counts.

use crate::episode::{self, Done};
use crate::figures::Figures;
use crate::forks;
use crate::leak::Leak;
use crate::shared::Shared;
use crate::{Result, signals};
use fastrand::Rng;
use runtime::{AtLimit, Policy, status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: u64 = 8;

/// How long an operation waits at the lock limit for another thread to give a page back. When all threads wait for each
/// other, the one that gives up first lets the others go on.
const PATIENCE: Duration = Duration::from_millis(20);

const BETWEEN_SIGNALS: Duration = Duration::from_millis(2);
const BETWEEN_LINES: Duration = Duration::from_secs(30);

pub(crate) fn run(warm_up: u64, seconds: u64, seed: u64, leak: Leak) -> Result {
    Policy::new().at_limit(AtLimit::Wait(PATIENCE)).install()?;
    signals::handle()?;
    rage(Duration::from_secs(warm_up), !seed, Leak::Nothing)?;
    let before = Figures::now()?;
    let signals_before = signals::handled();
    leak.at_the_start()?;
    let total = rage(Duration::from_secs(seconds), seed, leak)?;
    Figures::now()?.print("after");
    before.print("before");
    println!("operations {}", total.done.operations);
    println!("refused {}", total.done.refused);
    println!("refreshes {}", total.refreshes);
    println!("forks {}", total.forks);
    println!("signals {}", signals::handled() - signals_before);
    Ok(())
}

struct Total {
    done: Done,
    refreshes: u64,
    forks: u64,
}

/// Returns when every thread has ended and everything is dropped.
fn rage(time: Duration, seed: u64, leak: Leak) -> Result<Total> {
    let shared = Arc::new(Shared::new()?);
    let stop = Arc::new(AtomicBool::new(false));
    let operations = Arc::new(AtomicU64::new(0));
    let mut workers = Vec::new();
    for number in 0..THREADS {
        let (shared, stop, operations) = (Arc::clone(&shared), Arc::clone(&stop), Arc::clone(&operations));
        let mut random = Rng::with_seed(seed.wrapping_add(number));
        workers.push(thread::spawn(move || work(&mut random, &shared, &stop, &operations, leak)));
    }
    let forker = {
        let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop));
        thread::spawn(move || ended(&stop, forks::fork_on(&shared, &stop)))
    };
    let begin = Instant::now();
    let mut next_line = BETWEEN_LINES;
    let mut signalled = Ok(());
    while begin.elapsed() < time && !stop.load(Ordering::Relaxed) && signalled.is_ok() {
        signalled = workers.iter().try_for_each(signals::send);
        thread::sleep(BETWEEN_SIGNALS);
        if begin.elapsed() >= next_line {
            next_line += BETWEEN_LINES;
            let (passed, made) = (begin.elapsed().as_secs(), operations.load(Ordering::Relaxed));
            let pages = status().pages_in_use;
            eprintln!("{passed} s: {made} operations, {} signals, {pages} pages in use", signals::handled());
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut done = Done::default();
    for worker in workers {
        let of_one = worker.join().map_err(|_| "a thread panicked")??;
        done.operations += of_one.operations;
        done.refused += of_one.refused;
    }
    let forks = forker.join().map_err(|_| "the thread that forks panicked")??;
    signalled?;
    shared.end()?;
    let refreshes = shared.refreshed.load(Ordering::Relaxed);
    Ok(Total { done, refreshes, forks })
}

fn work(
    random: &mut Rng,
    shared: &Shared,
    stop: &AtomicBool,
    operations: &AtomicU64,
    leak: Leak,
) -> Result<Done> {
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        let before = done.operations;
        ended(stop, episode::live(random, &mut done, leak).and_then(|()| shared.look(random, &mut done)))?;
        operations.fetch_add(done.operations - before, Ordering::Relaxed);
    }
    Ok(done)
}

/// Stops all threads at an error of one.
fn ended<T>(stop: &AtomicBool, result: Result<T>) -> Result<T> {
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    result
}
