//! `cargo xtask sanitize [NAME]`: the tests of the library under sanitizers, libsodium and the standard library with it.
//!
//! Each sanitizer is first shown a program with a bug (`xtask/planted`), which it must report: `--planted` does that alone.
//! Debian's compiler builds its own standard library and its clang libsodium, so that both are instrumented; valgrind
//! takes what cargo builds anyway. Every process writes its reports to files of its own, so none is lost with a child
//! that a test starts.

mod sanitizers;

use crate::library::{self, CRATES, EMULATED, Tests};
use crate::{Result, debian, no_more, page, table, workspace};
use pico_args::Arguments;
use sanitizers::{MEMCHECK, SANITIZERS, Sanitizer};
use std::fs;
use std::path::PathBuf;
use xshell::{Cmd, Shell, cmd};

/// Beside Debian's compiler.
const PACKAGES: [&str; 4] = ["clang-22", "lld-22", "libclang-rt-22-dev", "valgrind"];

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
        debian::install(sh, &PACKAGES)?;
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
        let crates = library::packages(&CRATES);
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
        let kept = tests.are_good() && found.is_empty();
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
            // A test that becomes an ordinary user goes on as the same process, which may not open the report or the pipes
            // for gdb that it began as root: the variable that tests set for their children tells both reports apart.
            let runner = format!(
                "valgrind --quiet --vgdb=no --leak-check=no --trace-children=yes --error-exitcode=9 \
                 --log-file={reports}/report.%p.%q{{STRONGHOLD_TEST_CHILD}}"
            );
            return Ok(cmd!(sh, "cargo {verb} {what...} --target-dir {target} {rest...}")
                .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)
                .env("STRONGHOLD_TEST_CHILD", "none")
                .envs(EMULATED));
        }
        // Faults and aborts stay what they are: tests look at the signal.
        let options =
            format!("log_path={reports}/report:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0");
        let built_in = format!(
            "-Zsanitizer={name} -Zexternal-clangrt -Clink-arg=-fsanitize={name} -Clink-arg=-fuse-ld=lld-22 \
             -Cforce-frame-pointers=yes{}",
            self.sanitizer.flags
        );
        let command = cmd!(
            sh,
            "/usr/bin/cargo {verb} {what...} -Zbuild-std --target {TARGET} --target-dir {target} {rest...}"
        );
        let command = debian::alone(command)
            .env("CC", "clang-22")
            .env(
                "CFLAGS",
                format!("-fsanitize={name} -fno-omit-frame-pointer -g -O1{}", self.sanitizer.c_flags),
            )
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang-22")
            .env("RUSTFLAGS", built_in)
            .env("ASAN_OPTIONS", format!("{options}:detect_leaks=0"))
            .env("TSAN_OPTIONS", format!("{options}:die_after_fork=0"))
            .env("MSAN_OPTIONS", &options)
            .env("LSAN_OPTIONS", &options);
        // The slowest beside memcheck.
        Ok(if name == "memory" { command.envs(EMULATED) } else { command })
    }

    fn forget_reports(&self) -> Result {
        let reports = &self.reports;
        self.sh.remove_path(reports)?;
        self.sh.create_dir(reports)?;
        workspace::open_to_all(self.sh, reports)
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
