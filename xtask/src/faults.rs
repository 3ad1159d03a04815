//! `cargo xtask faults`: every system call that the library makes fails, and none of it ends badly.
//!
//! A process lives with one kind of memory (`benches/soak/src/faults.rs`) while strace lets one of its calls fail, at each of
//! its occurrences, with each error that its man page names for such a call: once, and from then on always. Calls of the
//! process itself are left alone.

mod calls;
mod judge;
mod plan;
mod report;
mod trace;

use crate::{Result, no_more, page, syscalls, worker};
use judge::{Ending, Outcome};
use pico_args::Arguments;
use plan::{Life, Plan};
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

/// Where pages come from: by default, from secret memory or nowhere, from ordinary memory, and from such as children inherit.
/// See `boxed::Policy`.
const BACKINGS: [&str; 4] = ["auto", "secret", "ordinary", "inherited"];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let quick = args.contains("--quick");
    let only: Option<String> = args.opt_value_from_str("--call")?;
    let check = args.contains("--check") || quick || only.is_some();
    no_more(args)?;
    syscalls::need_strace(sh)?;
    let program = worker::build_of(sh, "stronghold-soak", "faults")?;
    let directory = sh.create_temp_dir()?;
    let begin = Instant::now();

    let lives = observe(sh, &program, directory.path())?;
    let mut plans: Vec<Plan> = lives.iter().flat_map(|life| plan::of(life, quick)).collect();
    if let Some(call) = only {
        plans.retain(|plan| plan.call == call);
    }
    if plans.is_empty() {
        return Err("no such call is made".into());
    }
    eprintln!("{} runs", plans.len());
    let ran = carry_out(&program, directory.path(), &plans)?;
    let text = report::of(&plans, &ran);
    println!("{text}");
    println!("{} runs in {} s", ran.len(), begin.elapsed().as_secs());
    let count = |outcome| ran.iter().filter(|ending| ending.outcome == outcome).count();
    match (count(Outcome::Bad), count(Outcome::Missed)) {
        (0, missed) if missed * 100 > ran.len() => {
            Err(format!("{missed} runs in which no call failed").into())
        }
        (0, _) if check => Ok(()),
        (0, _) => page::record(sh, "faults", "cargo xtask faults", &text),
        (bad, _) => Err(format!("{bad} runs end badly").into()),
    }
}

/// Every kind of memory from every backing that this kernel has.
fn observe(sh: &Shell, program: &Path, directory: &Path) -> Result<Vec<Life>> {
    let kinds = xshell::cmd!(sh, "{program} kinds").quiet().read()?;
    let mut lives = Vec::new();
    for kind in kinds.lines() {
        for backing in BACKINGS {
            match Life::observe(program, directory, kind, backing) {
                Err(error) if backing == "secret" && error.to_string().contains("memfd_secret") => {
                    eprintln!("this kernel grants no secret memory: {error}");
                }
                life => lives.push(life?),
            }
        }
    }
    Ok(lives)
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
