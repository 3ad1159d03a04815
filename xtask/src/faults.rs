//! `cargo xtask faults`: every system call that the library makes fails, and none of it ends badly.
//!
//! A process lives with one kind of memory (`benches/soak/src/faults.rs`) while strace lets one of its calls fail, at each of
//! its occurrences, with each error that its man page names for such a call: once, and from then on always. Calls of the
//! process itself are left alone.

mod calls;
mod judge;
mod plan;
mod trace;

use crate::{Result, no_more, page, syscalls, table, worker};
use judge::{Ending, Outcome};
use pico_args::Arguments;
use plan::{Injection, Life, Plan};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;
use xshell::Shell;

/// How many processes are looked at at a time.
const AT_ONCE: usize = 2;

/// How often a run is repeated where the call did not fail, or not in the life: addresses are random, and with them now and
/// then how often the system is asked for some.
const ATTEMPTS: usize = 3;

/// How many bad endings are told in full.
const TOLD: usize = 40;

const BACKINGS: [&str; 3] = ["auto", "secret", "ordinary"];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let quick = args.contains("--quick");
    let check = args.contains("--check") || quick;
    let only: Option<String> = args.opt_value_from_str("--call")?;
    no_more(args)?;
    syscalls::need_strace(sh)?;
    let program = worker::build_of(sh, "stronghold-soak", "faults")?;
    let directory = sh.create_temp_dir()?;
    let begin = Instant::now();

    let mut lives = Vec::new();
    for kind in xshell::cmd!(sh, "{program} kinds").quiet().read()?.lines() {
        for backing in BACKINGS {
            lives.push(Life::observe(&program, directory.path(), kind, backing)?);
        }
    }
    let mut plans: Vec<Plan> = lives.iter().flat_map(|life| plan::of(life, quick)).collect();
    if let Some(call) = only {
        plans.retain(|plan| plan.call == call);
    }
    eprintln!("{} runs", plans.len());
    let ran = carry_out(&program, directory.path(), &plans)?;
    let (text, bad) = tell(&lives, &plans, &ran);
    println!("{text}");
    println!("{} runs in {} s", ran.len(), begin.elapsed().as_secs());
    match bad {
        0 if !check => page::record(sh, "faults", "cargo xtask faults", &text),
        0 => Ok(()),
        _ => Err(format!("{bad} runs end badly").into()),
    }
}

fn carry_out(program: &Path, directory: &Path, plans: &[Plan]) -> Result<Vec<Ending>> {
    let next = AtomicUsize::new(0);
    let endings = Mutex::new(Vec::new());
    let work = |worker: usize| -> std::result::Result<(), String> {
        let log = directory.join(format!("log-{worker}"));
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(plan) = plans.get(index) else { return Ok(()) };
            if index % 1000 == 999 {
                eprintln!("[{}/{}]", index + 1, plans.len());
            }
            let ending = attempt(program, &log, plan)
                .map_err(|error| format!("{}: {error}", plan.injection.expressions().join(" ")))?;
            endings.lock().unwrap_or_else(PoisonError::into_inner).push((index, ending));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread failed")?)
    })?;
    let mut endings = endings.into_inner().unwrap_or_else(PoisonError::into_inner);
    endings.sort_by_key(|(index, _)| *index);
    Ok(endings.into_iter().map(|(_, ending)| ending).collect())
}

fn attempt(program: &Path, log: &Path, plan: &Plan) -> Result<Ending> {
    let mut ending = Ending { outcome: Outcome::Missed, why: Vec::new() };
    for _ in 0..ATTEMPTS {
        let ran =
            trace::run(program, log, (&plan.life.kind, plan.life.backing), plan.call, Some(&plan.injection))?;
        ending = judge::judge(plan, &ran);
        if ending.outcome != Outcome::Missed {
            break;
        }
    }
    Ok(ending)
}

/// Both tables and what is bad, told in full; and how many runs were.
fn tell(lives: &[Life], plans: &[Plan], ran: &[Ending]) -> (String, usize) {
    let mut text = format!(
        "{} lives: {} kinds of memory, each in {}.\n",
        lives.len(),
        lives.len() / BACKINGS.len(),
        BACKINGS.map(|backing| format!("`{backing}`")).join(", ")
    );
    for (always, title) in [(false, "fails once"), (true, "fails from then on")] {
        let mut rows = Vec::new();
        for (call, errors) in calls::rows(always) {
            let of_call: Vec<(&Plan, &Ending)> = (plans.iter().zip(ran))
                .filter(|(plan, _)| {
                    plan.call == call
                        && matches!(plan.injection, Injection { always: is, .. } if is == always)
                })
                .collect();
            if of_call.is_empty() {
                continue;
            }
            let count = |outcome| of_call.iter().filter(|(_, ending)| ending.outcome == outcome).count();
            let mut occurrences: Vec<_> = of_call
                .iter()
                .map(|(plan, _)| (plan.life.kind.as_str(), plan.life.backing, plan.injection.at))
                .collect();
            occurrences.dedup();
            let mut numbers = vec![occurrences.len(), of_call.len()];
            numbers.extend([Outcome::Error, Outcome::Success].map(count));
            if always {
                numbers.push(count(Outcome::Abort));
            }
            numbers.extend([Outcome::Missed, Outcome::Bad].map(count));
            let mut row = vec![call.to_owned(), errors.join(" ")];
            row.extend(numbers.iter().map(ToString::to_string));
            rows.push(row);
        }
        let mut header = vec!["call", "errors", "occurrences", "runs", "errors returned", "succeeded anyway"];
        if always {
            header.push("ended the process, as it must");
        }
        header.extend(["not met again", "bad endings"]);
        let right: Vec<bool> = (0..header.len()).map(|column| column > 1).collect();
        text += &format!("\nThe call {title}:\n\n{}", table::render(&header, &right, &rows));
    }
    let bad: Vec<_> = plans.iter().zip(ran).filter(|(_, ending)| ending.outcome == Outcome::Bad).collect();
    for (plan, ending) in bad.iter().take(TOLD) {
        text += &format!(
            "\n* {} {} {}: {}",
            plan.life.kind,
            plan.life.backing,
            plan.injection.expressions().join(" "),
            ending.why.join("; ")
        );
    }
    (text, bad.len())
}
