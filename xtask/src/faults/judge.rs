//! Whether a run ended as it may.

use super::calls::BOTH;
use super::plan::{self, Plan};
use super::trace::Ran;
use std::process::ExitStatus;

/// What the process says last where a page can neither be closed nor taken away.
const EXPOSED: &str = "can neither be closed, wiped nor unmapped; aborting";

/// What an error says of a page whose content was destroyed because it could not be closed.
const LOST: &str = "the content was destroyed because its page could not be made unreadable";

/// How a run ended.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What is bad.
    pub(super) why: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The operation whose call failed, or a later one where all fail, is an error.
    Error,
    /// None is.
    Success,
    /// The process ended as it must where a secret would lie open.
    Abort,
    /// No call of an operation failed.
    Missed,
    Bad,
}

pub(super) fn judge(plan: &Plan<'_>, ran: &Ran) -> Ending {
    let struck = ran.calls.iter().find(|call| call.injected);
    let Some(operation) = struck.and_then(|call| call.operation).filter(|at| *at < plan.life.operations())
    else {
        return Ending { outcome: Outcome::Missed, why: Vec::new() };
    };
    let mut why = Vec::new();
    let aborted = match plan.call {
        BOTH => ran.complained.contains(EXPOSED),
        // libsodium ends the process rather than hand out bytes that are not random, and says nothing.
        "getrandom" => ran.status.is_some_and(|status| is_abort(status)) && ran.complained.is_empty(),
        _ => false,
    };
    // Where the system draws no random bytes, the file that does stays open, in libsodium and in the standard library.
    let more = if plan.call == "getrandom" { 2 } else { 0 };
    match ran.status {
        None => why.push("it hangs".to_owned()),
        Some(status) if !status.success() && !aborted => {
            why.push(format!("{status}: {}", ran.complained.trim().replace('\n', " ")));
        }
        Some(_) => {}
    }
    // What was bad stays so: it is told once.
    let bad = ran.said.lines().filter_map(|line| line.strip_prefix("bad "));
    why.extend(bad.map(|line| line.split_once(": ").map_or(line, |(_, what)| what).to_owned()));
    let (mut seen, mut lives, mut errors) = (0, 0, 0);
    for line in ran.said.lines() {
        if let Some((number, pages, descriptors)) = plan::left(line) {
            lives = number;
            if pages > plan.life.pages || descriptors > plan.life.descriptors + more {
                why.push(format!("life {number} leaves {pages} pages and {descriptors} descriptors behind"));
            }
        } else if let Some((name, said)) = line.strip_prefix("did ").and_then(|line| line.split_once(": ")) {
            let is_struck = seen == operation;
            seen += 1;
            if said == "ok" {
                continue;
            }
            errors += usize::from(is_struck || plan.injection.always);
            let is_lost = lives == 0 && plan.call == "mprotect" && said.contains(LOST);
            if !(is_struck || plan.injection.always || is_lost) {
                why.push(format!("{name}, of which no call failed: {said}"));
            }
        }
    }
    if lives < 2 && why.is_empty() && !aborted {
        why.push("it does not live twice".to_owned());
    }
    why.sort();
    why.dedup();
    let outcome = match (why.is_empty(), aborted, errors) {
        (false, ..) => Outcome::Bad,
        (true, true, _) => Outcome::Abort,
        (true, false, 0) => Outcome::Success,
        (true, false, _) => Outcome::Error,
    };
    Ending { outcome, why }
}

#[cfg(unix)]
fn is_abort(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}

#[cfg(not(unix))]
fn is_abort(_: ExitStatus) -> bool {
    false
}
