//! The crates of the library, and what `cargo test` says of them.

/// Those that make up the library, from the bottom.
pub(crate) const CRATES: [&str; 10] = [
    "sodium",
    "boxed",
    "locked-memory",
    "sealing",
    "ram-memory",
    "file-memory",
    "noncontiguous-memory",
    "envelope",
    "hardening",
    "runtime",
];

/// What tests have to do on processors that are emulated, which takes them many times as long: the largest secret in bytes, and
/// how many random sequences of operations each backend is put to.
pub(crate) const EMULATED: [(&str, &str); 2] =
    [("STRONGHOLD_TEST_LARGEST", "65536"), ("PROPTEST_CASES", "8")];

/// The arguments that let cargo take `crates` alone.
pub(crate) fn packages(crates: &[&str]) -> Vec<String> {
    crates.iter().flat_map(|name| ["-p".to_owned(), format!("stronghold-{name}")]).collect()
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tests {
    pub(crate) passed: u64,
    /// Left out by their names.
    pub(crate) skipped: u64,
    /// The lines that say so.
    pub(crate) failed: Vec<String>,
    /// Test binaries that did not come to a good end, of whatever cause.
    pub(crate) binaries_failed: usize,
    /// Tests that found out that the system lacks what they are about, and why: they count as passed.
    pub(crate) lacking: Vec<(String, String)>,
}

impl Tests {
    /// Reads what `cargo test` writes, and with `--show-output` what passing tests wrote.
    pub(crate) fn of(said: &str) -> Self {
        let mut tests = Self::default();
        let mut begun = 0_usize;
        let mut well = 0_usize;
        let mut shown = "";
        for line in said.lines() {
            if line.starts_with("running ") {
                begun += 1;
            } else if let Some(counts) = line.strip_prefix("test result: ok. ") {
                well += 1;
                tests.passed += count(counts, "passed");
                tests.skipped += count(counts, "filtered out");
            } else if line.starts_with("test ") && line.ends_with("FAILED") {
                tests.failed.push(line.to_owned());
            } else if let Some(name) = line.strip_prefix("---- ") {
                shown = name.strip_suffix(" stdout ----").unwrap_or(name);
            } else if let Some(why) = line.strip_prefix("skipped: ") {
                let lacking = (shown.to_owned(), why.to_owned());
                if tests.lacking.last() != Some(&lacking) {
                    tests.lacking.push(lacking);
                }
            }
        }
        tests.binaries_failed = begun.saturating_sub(well);
        tests
    }

    /// Whether there were any, and all passed.
    pub(crate) fn are_good(&self) -> bool {
        self.passed > 0 && self.failed.is_empty() && self.binaries_failed == 0
    }

    /// How many passed, without those that looked at nothing.
    pub(crate) fn shown(&self) -> u64 {
        self.passed.saturating_sub(self.lacking.len() as u64)
    }
}

fn count(counts: &str, of: &str) -> u64 {
    let found = counts.split("; ").find_map(|count| count.strip_suffix(of)?.trim().parse().ok());
    found.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let said = "\
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.1s
running 3 tests
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";
        assert_eq!(Tests::of(said), Tests { passed: 5, skipped: 1, ..Tests::default() });
    }

    #[test]
    fn a_failure_and_a_binary_that_says_no_result_are_seen() {
        let said =
            "running 1 test\ntest a ... FAILED\ntest result: FAILED. 0 passed; 1 failed\nrunning 4 tests\n";
        let tests = Tests::of(said);
        assert_eq!((tests.failed.len(), tests.binaries_failed, tests.are_good()), (1, 2, false));
    }

    #[test]
    fn what_a_test_says_it_lacks_is_kept_with_its_name() {
        let said = "\
running 2 tests
test a::b ... ok
test c ... ok

successes:

---- a::b stdout ----
skipped: there is no such thing
skipped: there is no such thing

successes:
    a::b
    c

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";
        let tests = Tests::of(said);
        assert_eq!(tests.lacking, [("a::b".to_owned(), "there is no such thing".to_owned())]);
        assert_eq!((tests.passed, tests.shown(), tests.are_good()), (2, 1, true));
    }
}
