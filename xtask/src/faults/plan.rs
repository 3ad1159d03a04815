//! Which calls of which life are to fail.

use super::calls::{self, BOTH, CALLS, LEFT_ALONE};
use super::trace::{self, Call};
use crate::Result;
use std::path::Path;

/// A life in which nothing fails.
pub(super) struct Life {
    pub(super) kind: String,
    pub(super) backing: &'static str,
    /// How many operations its first half has.
    operations: usize,
    /// What it leaves behind: guarded pages and descriptors.
    pub(super) pages: u64,
    pub(super) descriptors: u64,
    pub(super) calls: Vec<Call>,
}

/// A run that is to be made.
pub(super) struct Plan<'a> {
    pub(super) life: &'a Life,
    /// The row it counts in.
    pub(super) call: &'static str,
    pub(super) injection: Injection,
}

/// What strace is asked for.
pub(super) struct Injection {
    /// Each with the occurrence, counted from one, at which it fails.
    calls: Vec<(&'static str, usize)>,
    error: &'static str,
    /// Which occurrence of the call in the life it is, counted from zero.
    pub(super) at: usize,
    /// Whether all that follow fail, too.
    pub(super) always: bool,
}

impl Life {
    /// Lives once under strace, and writes down what calls that takes.
    pub(super) fn observe(
        program: &Path,
        directory: &Path,
        kind: &str,
        backing: &'static str,
    ) -> Result<Self> {
        let who = format!("{kind} in pages that are {backing}");
        let ran = trace::run(program, &directory.join("log"), (kind, backing), "none", None)?;
        if !ran.status.is_some_and(|status| status.success()) {
            return Err(format!("{who}: cannot live: {}", ran.complained.trim()).into());
        }
        let told = |line: &&str| !line.starts_with("life") && !line.ends_with(": ok");
        if let Some(line) = ran.said.lines().find(told) {
            return Err(format!("{who}: {line} while nothing fails").into());
        }
        let operations = ran.said.lines().take_while(|line| !line.starts_with("life")).count();
        let left: Vec<_> = ran.said.lines().filter_map(left).collect();
        let [(_, pages, descriptors), second] = left[..] else {
            return Err(format!("{who}: lives not twice").into());
        };
        if second != (2, pages, descriptors) {
            return Err(format!("{who}: the second life leaves more behind than the first").into());
        }
        for call in ran.calls.iter().filter(|call| call.operation.is_some()) {
            let is_known = CALLS.iter().any(|(name, _)| *name == call.name)
                || LEFT_ALONE.iter().any(|(name, _)| *name == call.name);
            if !is_known {
                return Err(format!("{who}: no one knows how {} fails", call.name).into());
            }
        }
        Ok(Self { kind: kind.to_owned(), backing, operations, pages, descriptors, calls: ran.calls })
    }

    /// The number of operations of the first half.
    pub(super) fn operations(&self) -> usize {
        self.operations
    }

    /// Which call of that name, counted from one, the first inside an operation is or would be.
    fn first(&self, name: &str) -> usize {
        self.calls.iter().take_while(|call| call.operation.is_none()).filter(|call| call.name == name).count()
            + 1
    }

    /// Where `name` occurs among all calls of its name, counted from one, inside operations of the first half.
    fn occurrences(&self, name: &str) -> Vec<usize> {
        let of_name = self.calls.iter().filter(|call| call.name == name);
        let ours = |call: &Call| call.operation.is_some_and(|operation| operation < self.operations);
        of_name.enumerate().filter(|(_, call)| ours(call)).map(|(index, _)| index + 1).collect()
    }
}

/// A line that tells what a life left behind: its number, guarded pages, descriptors.
pub(super) fn left(line: &str) -> Option<(u64, u64, u64)> {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["life", number, "pages", pages, "descriptors", descriptors] => {
            Some((number.parse().ok()?, pages.parse().ok()?, descriptors.parse().ok()?))
        }
        _ => None,
    }
}

/// All runs of a life. Of the quick ones one occurrence in ten fails once, and one in thirty from then on, with one error alone.
pub(super) fn of(life: &Life, quick: bool) -> Vec<Plan<'_>> {
    const ONE_IN: usize = 10;
    const ONE_IN_FOR_GOOD: usize = 30;
    let is_due =
        |at: usize, always| !quick || at.is_multiple_of(if always { ONE_IN_FOR_GOOD } else { ONE_IN });
    let mut plans = Vec::new();
    for (call, _) in CALLS {
        for (at, occurrence) in life.occurrences(call).into_iter().enumerate() {
            for always in [false, true].into_iter().filter(|always| is_due(at, *always)) {
                let most = if quick { 1 } else { usize::MAX };
                for error in calls::errors(call, always).into_iter().take(most) {
                    let injection = Injection { calls: vec![(call, occurrence)], error, at, always };
                    plans.push(Plan { life, call, injection });
                }
            }
        }
    }
    let unmapping = life.first("munmap");
    for (at, occurrence) in
        life.occurrences("mprotect").into_iter().enumerate().filter(|(at, _)| is_due(*at, true))
    {
        let calls = vec![("mprotect", occurrence), ("munmap", unmapping)];
        let injection = Injection { calls, error: "ENOMEM", at, always: true };
        plans.push(Plan { life, call: BOTH, injection });
    }
    plans
}

impl Injection {
    pub(super) fn calls(&self) -> Vec<&'static str> {
        self.calls.iter().map(|(call, _)| *call).collect()
    }

    /// As strace takes them.
    pub(super) fn expressions(&self) -> Vec<String> {
        let and_on = if self.always { "+" } else { "" };
        let expression =
            |(call, when): &(&str, usize)| format!("inject={call}:error={}:when={when}{and_on}", self.error);
        self.calls.iter().map(expression).collect()
    }
}

#[cfg(test)]
impl Life {
    pub(super) fn made_up(operations: usize, calls: Vec<Call>) -> Self {
        Self { kind: "ram".to_owned(), backing: "auto", operations, pages: 2, descriptors: 7, calls }
    }
}

#[cfg(test)]
impl<'a> Plan<'a> {
    /// The second call of that name fails once.
    pub(super) fn made_up(life: &'a Life, call: &'static str) -> Self {
        let injection = Injection { calls: vec![(call, 2)], error: "ENOMEM", at: 1, always: false };
        Self { life, call, injection }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::parse;
    use super::*;

    #[test]
    fn occurrences_outside_operations_and_in_the_second_life_are_left_alone() {
        let log = "\
1 mmap(1) = 0
1 getppid() = 0
1 mmap(2) = 0
1 getpid() = 1
1 mmap(3) = 0
1 getppid() = 0
1 mmap(4) = 0
1 getpid() = 1
1 getppid() = 0
1 mmap(5) = 0
1 getpid() = 1
";
        let life = Life::made_up(2, parse(log));
        assert_eq!(life.occurrences("mmap"), [2, 4]);
        assert_eq!((life.first("mmap"), life.first("munmap")), (2, 1));
        let expressions: Vec<_> =
            of(&life, true).iter().flat_map(|plan| plan.injection.expressions()).collect();
        assert_eq!(expressions[0], "inject=mmap:error=ENOMEM:when=2");
        assert_eq!(expressions.last().unwrap(), "inject=mmap:error=ENOMEM:when=2+");
    }
}
