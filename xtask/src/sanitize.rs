//! `cargo xtask sanitize [NAME]`: the tests of the library under sanitizers, libsodium and the standard library with it.
//!
//! Each sanitizer is first shown a program with a bug (`xtask/planted`), which it must report: `--planted` does that alone.
//! Debian's compiler builds its own standard library and its clang libsodium, so that both are instrumented; valgrind
//! takes what cargo builds anyway. Every process writes its reports to files of its own, so none is lost with a child
//! that a test starts.

mod sanitizers;

use crate::{Result, no_more, page, table, workspace};
use pico_args::Arguments;
use sanitizers::{MEMCHECK, SANITIZERS, Sanitizer};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Cmd, Shell, cmd};

const CRATES: [&str; 10] = [
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

const PACKAGES: [&str; 7] =
    ["rustc-web", "cargo-web", "rust-web-src", "clang-22", "lld-22", "libclang-rt-22-dev", "valgrind"];

/// How many random sequences of operations each backend is put to: a fifth of what `cargo test` draws, for each takes as much
/// longer.
const SEQUENCES: &str = "8";

const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let install = args.contains("--install");
    let planted_alone = args.contains("--planted");
    let name: Option<String> = args.opt_free_from_str()?;
    no_more(args)?;
    if install {
        cmd!(sh, "apt-get update").run()?;
        cmd!(sh, "apt-get install -y --no-install-recommends {PACKAGES...}").run()?;
    }
    let chosen =
        SANITIZERS.iter().filter(|sanitizer| name.as_deref().is_none_or(|name| name == sanitizer.name));
    let chosen: Vec<_> = chosen.collect();
    if chosen.is_empty() {
        return Err("there are address, thread, memory, leak and memcheck".into());
    }
    let (mut failed, mut planted) = (Vec::new(), Vec::new());
    for sanitizer in chosen {
        let job = Job::new(sh, sanitizer)?;
        planted.extend(job.finds_what_is_planted()?);
        if planted_alone {
            continue;
        }
        let (text, kept) = job.judge()?;
        println!("{text}");
        if !kept {
            failed.push(sanitizer.name);
        } else if !check {
            let name = sanitizer.name;
            page::record(sh, &format!("sanitize-{name}"), &format!("cargo xtask sanitize {name}"), &text)?;
        }
    }
    if planted_alone && name.is_none() && !check {
        let text = table::render(&["sanitizer", "planted bug", "reported as"], &[], &planted);
        page::record(sh, "sanitize-planted", "cargo xtask sanitize --planted", &text)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("see the reports of {}", failed.join(", ")).into()) }
}

/// One sanitizer, and where it builds and reports.
struct Job<'a> {
    sh: &'a Shell,
    sanitizer: &'a Sanitizer,
    target: PathBuf,
    reports: PathBuf,
}

impl<'a> Job<'a> {
    fn new(sh: &'a Shell, sanitizer: &'a Sanitizer) -> Result<Self> {
        let target = workspace::target_directory(sh)?.join("sanitize").join(sanitizer.name);
        let reports = target.join("reports");
        sh.create_dir(&target)?;
        Ok(Self { sh, sanitizer, target, reports })
    }

    /// A row for each of the bugs planted for it. Fails where one is not reported.
    fn finds_what_is_planted(&self) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        for (program, expected) in self.sanitizer.planted {
            self.forget_reports()?;
            let place =
                ["--quiet", "--locked", "--manifest-path", "xtask/planted/Cargo.toml", "--bin", program];
            // It ends as the sanitizer likes; what counts is the report.
            self.sanitized("run", &place, &[])?.ignore_status().ignore_stdout().run()?;
            let found = self.found()?.iter().any(|report| report.contains(expected));
            let name = self.sanitizer.name;
            if !found {
                return Err(format!("{name} does not report the bug of {program}: {expected}").into());
            }
            println!("{name} reports the bug of {program}: {expected}");
            rows.push([name, program, expected].map(str::to_owned).into());
        }
        Ok(rows)
    }

    /// Runs all tests, and says whether all pass and nothing is reported.
    fn judge(&self) -> Result<(String, bool)> {
        self.forget_reports()?;
        let crates: Vec<String> =
            CRATES.iter().flat_map(|name| ["-p".to_owned(), format!("stronghold-{name}")]).collect();
        // Tests start them; `cargo test --examples` would build tests of the examples instead.
        self.sanitized("build", &[&["--examples".to_owned()], &crates[..]].concat(), &[])?.run()?;
        let what = [&["--no-fail-fast", "--lib", "--tests"].map(String::from), &crates[..]].concat();
        let skipped = self.sanitizer.skips.iter().flat_map(|skip| skip.tests);
        let skips: Vec<&str> = skipped.flat_map(|test| ["--skip", test]).collect();
        let said =
            self.sanitized("test", &what, &skips)?.env("PROPTEST_CASES", SEQUENCES).ignore_status().read()?;
        let tests = Tests::of(&said);
        for test in &tests.failed {
            println!("{test}");
        }
        let found = self.found()?;
        for report in &found {
            println!("{report}");
        }
        let kept =
            tests.passed > 0 && tests.failed.is_empty() && tests.binaries_failed == 0 && found.is_empty();
        let planted: Vec<&str> = self.sanitizer.planted.iter().map(|(program, _)| *program).collect();
        let row = vec![
            self.sanitizer.name.to_owned(),
            CRATES.len().to_string(),
            tests.passed.to_string(),
            tests.failed.len().to_string(),
            tests.skipped.to_string(),
            found.len().to_string(),
            format!("{} found", planted.join(", ")),
            table::verdict(kept),
        ];
        let header =
            ["sanitizer", "crates", "passed", "failed", "skipped", "reports", "planted bug", "verdict"];
        let mut text = table::render(&header, &[false, true, true, true, true, true], &[row]);
        for skip in self.sanitizer.skips {
            text += &format!("\nSkipped, for {}: `{}`.\n", skip.why, skip.tests.join("`, `"));
        }
        Ok((text, kept))
    }

    /// A verb of cargo whose programs run under the sanitizer.
    fn sanitized<S: AsRef<std::ffi::OsStr>>(
        &self,
        verb: &str,
        what: &[S],
        skips: &[&str],
    ) -> Result<Cmd<'a>> {
        let (sh, target, reports) = (self.sh, &self.target, self.reports.display());
        let rest: Vec<&str> = if skips.is_empty() { Vec::new() } else { [&["--"], skips].concat() };
        let name = self.sanitizer.name;
        if name == MEMCHECK {
            let runner = format!(
                "valgrind --quiet --leak-check=no --trace-children=yes --log-file={reports}/report.%p \
                 --error-exitcode=9"
            );
            return Ok(cmd!(sh, "cargo {verb} {what...} --target-dir {target} {rest...}")
                .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner));
        }
        // Faults and aborts stay what they are: tests look at the signal.
        let options =
            format!("log_path={reports}/report:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0");
        let built_in = format!(
            "-Zsanitizer={name} -Zexternal-clangrt -Clink-arg=-fsanitize={name} -Clink-arg=-fuse-ld=lld-22 \
             -Cforce-frame-pointers=yes{}",
            self.sanitizer.flags
        );
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = cmd!(
            sh,
            "/usr/bin/cargo {verb} {what...} -Zbuild-std --target {TARGET} --target-dir {target} {rest...}"
        )
        .env("PATH", format!("/usr/bin:{path}"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CC", "clang-22")
        .env("CFLAGS", format!("-fsanitize={name} -fno-omit-frame-pointer -g -O1"))
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang-22")
        .env("RUSTFLAGS", built_in)
        .env("ASAN_OPTIONS", format!("{options}:detect_leaks=0"))
        .env("TSAN_OPTIONS", format!("{options}:die_after_fork=0"))
        .env("MSAN_OPTIONS", &options)
        .env("LSAN_OPTIONS", &options);
        for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            command = command.env_remove(variable);
        }
        Ok(command)
    }

    fn forget_reports(&self) -> Result {
        let reports = &self.reports;
        self.sh.remove_path(reports)?;
        self.sh.create_dir(reports)?;
        open_to_all(self.sh, reports)
    }

    /// What was reported since [`forget_reports`](Self::forget_reports).
    fn found(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.reports)? {
            let report = String::from_utf8_lossy(&fs::read(entry?.path())?).into_owned();
            if self.sanitizer.reports.iter().any(|mark| report.contains(mark)) {
                found.push(report);
            }
        }
        Ok(found)
    }
}

/// Tests run as ordinary users, too.
fn open_to_all(sh: &Shell, directory: &Path) -> Result {
    Ok(cmd!(sh, "chmod 1777 {directory}").quiet().run()?)
}

#[derive(Debug, Default, PartialEq)]
struct Tests {
    passed: u64,
    skipped: u64,
    /// The lines that say so.
    failed: Vec<String>,
    /// Test binaries that did not come to a good end, of whatever cause.
    binaries_failed: usize,
}

impl Tests {
    /// Reads what `cargo test` writes.
    fn of(said: &str) -> Self {
        let mut tests = Self::default();
        let mut begun = 0_usize;
        let mut well = 0_usize;
        for line in said.lines() {
            if line.starts_with("running ") {
                begun += 1;
            } else if let Some(counts) = line.strip_prefix("test result: ok. ") {
                well += 1;
                tests.passed += count(counts, "passed");
                tests.skipped += count(counts, "filtered out");
            } else if line.starts_with("test ") && line.ends_with("FAILED") {
                tests.failed.push(line.to_owned());
            }
        }
        tests.binaries_failed = begun.saturating_sub(well);
        tests
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
        assert_eq!((tests.failed.len(), tests.binaries_failed), (1, 2));
    }
}
