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
        "getrandom" => ran.status.is_some_and(is_abort) && ran.complained.is_empty(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::plan::Life;
    use crate::faults::trace;

    const LOG: &str = "\
1 getppid() = 0
1 mprotect(0x7f, 4096, PROT_NONE) = 0
1 getpid() = 1
1 getppid() = 0
1 mprotect(0x7f, 4096, PROT_NONE) = -1 ENOMEM (Cannot allocate memory) (INJECTED)
1 getpid() = 1
";
    const WELL: &str =
        "life 1 pages 2 descriptors 7\ndid create: ok\ndid use: ok\nlife 2 pages 2 descriptors 7\n";

    /// How a run ends in which the second operation of the first life is struck.
    fn outcome(call: &'static str, first_life: &str, rest: &str) -> Outcome {
        let calls = trace::parse(&LOG.replace("mprotect", call));
        let life = Life::made_up(2, calls);
        let plan = Plan::made_up(&life, call);
        let said = format!("{first_life}{rest}");
        judge(
            &plan,
            &Ran {
                status: Some(ExitStatus::default()),
                said,
                complained: String::new(),
                calls: life.calls.clone(),
            },
        )
        .outcome
    }

    #[test]
    fn the_struck_operation_alone_may_be_an_error() {
        assert_eq!(outcome("mmap", "did create: ok\ndid use: ok\n", WELL), Outcome::Success);
        assert_eq!(outcome("mmap", "did create: ok\ndid use: no\n", WELL), Outcome::Error);
        assert_eq!(outcome("mmap", "did create: no\ndid use: no\n", WELL), Outcome::Bad);
        let then_bad = WELL.replace("did use: ok", "did use: no");
        assert_eq!(outcome("mmap", "did create: ok\ndid use: no\n", &then_bad), Outcome::Bad);
    }

    #[test]
    fn a_page_may_be_lost_where_it_could_not_be_closed() {
        let lost = format!("did create: ok\ndid use: ok\ndid use: cannot: {LOST}\n");
        assert_eq!(outcome("mprotect", &lost, WELL), Outcome::Success);
        assert_eq!(outcome("mmap", &lost, WELL), Outcome::Bad);
    }

    #[test]
    fn what_is_left_behind_or_seen_or_missing_is_bad() {
        let well = "did create: ok\ndid use: ok\n";
        assert_eq!(outcome("mmap", well, &WELL.replace("pages 2", "pages 3")), Outcome::Bad);
        assert_eq!(outcome("mmap", well, &WELL.replace("descriptors 7", "descriptors 8")), Outcome::Bad);
        assert_eq!(outcome("mmap", &format!("{well}bad use: wrong bytes\n"), WELL), Outcome::Bad);
        assert_eq!(outcome("mmap", well, ""), Outcome::Bad);
    }
}
