//! `cargo xtask targets [NAME]`: the tests of the library on other processors and systems, and lints for those that nothing
//! here can run.
//!
//! Debian's compiler builds the standard library for each, its cross compilers libsodium. Another processor is qemu's, Windows
//! is wine. Tests find out what such a system grants; those whose matter it lacks say so, and are counted by themselves.

mod machines;
mod windows;

use crate::library::{self, CRATES, Tests};
use crate::{Result, check_targets, debian, no_more, page, workspace};
use machines::{MACHINES, Machine, Variant};
use pico_args::Arguments;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xshell::{Cmd, Shell, cmd};

/// What no run of all tests takes, however slow the emulator is.
const SECONDS: &str = "2400";

const HEAD: &str = "\
| target | how | shown | lacking | failed | verdict | day | revision |
|---|---|---:|---:|---:|---|---|---|
";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let install = args.contains("--install");
    let name: Option<String> = args.opt_free_from_str()?;
    no_more(args)?;
    if install {
        let packages: Vec<_> = MACHINES.iter().flat_map(|machine| machine.packages).copied().collect();
        debian::install(sh, &packages)?;
    }
    if !debian::has_source(sh) {
        return Err("Debian's compiler is missing: cargo xtask targets --install, as root".into());
    }
    let is_wanted = |triple: &str| name.as_deref().is_none_or(|name| triple.contains(name));
    let machines: Vec<_> = MACHINES.iter().filter(|machine| is_wanted(machine.triple)).collect();
    let lints: Vec<_> = check_targets::LINTED.into_iter().filter(|triple| is_wanted(triple)).collect();
    if machines.is_empty() && lints.is_empty() {
        return Err("no target has that in its name".into());
    }
    let mut bad = Vec::new();
    for triple in lints {
        let kept = check_targets::lint(sh, triple)?;
        let row = Row { label: linted(triple), how: "clippy, not run", tests: None, kept };
        bad.extend((!kept).then(|| row.label.clone()));
        row.record(sh, check)?;
    }
    for machine in machines {
        let row = match judge(sh, machine)? {
            Judged::Ran(tests) => {
                Row { label: machine.label(), how: machine.how, kept: tests.are_good(), tests: Some(tests) }
            }
            Judged::Missing(what) => {
                println!("{}: skipped, {what}", machine.label());
                continue;
            }
        };
        bad.extend((!row.kept).then(|| row.label.clone()));
        row.record(sh, check)?;
    }
    if bad.is_empty() { Ok(()) } else { Err(format!("not well: {}", bad.join(", ")).into()) }
}

enum Judged {
    Ran(Tests),
    /// What this machine lacks to run any.
    Missing(String),
}

fn judge(sh: &Shell, machine: &Machine) -> Result<Judged> {
    let missing = machine.programs.iter().find(|program| !is_there(sh, program));
    if let Some(program) = missing {
        return Ok(Judged::Missing(format!("{program} is missing: cargo xtask targets --install")));
    }
    let directory = workspace::target_directory(sh)?.join("targets");
    sh.create_dir(&directory)?;
    let is_denied = machine.variant == Variant::OrdinaryPages;
    let denying = if is_denied { Some(without_secret_memory(sh)?) } else { None };
    let windows = if machine.is_windows { Some(windows::Place::new(sh, &directory)?) } else { None };
    let cargo = |verb: &str, what: &[String]| {
        let command = cargo(sh, machine, denying.as_deref(), &directory, verb, what);
        match &windows {
            Some(place) => place.set(command),
            None => command,
        }
    };
    let crates = library::packages(&CRATES);
    // Tests start them; `cargo test --examples` would build tests of the examples instead.
    cargo("build", &[&["--examples".to_owned()], &crates[..]].concat()).run()?;
    let what = ["--no-fail-fast", "--lib", "--tests"].map(String::from);
    let what = [&what[..], &crates, &["--".to_owned(), "--show-output".to_owned()]].concat();
    let less = if machine.is_emulated() { &library::EMULATED[..] } else { &[] };
    let command = less.iter().fold(cargo("test", &what), |command, (name, value)| command.env(name, value));
    let tests = Tests::of(&command.ignore_status().read()?);
    for test in &tests.failed {
        println!("{test}");
    }
    Ok(Judged::Ran(tests))
}

/// The program that runs others as on a kernel without secret memory.
fn without_secret_memory(sh: &Shell) -> Result<PathBuf> {
    let program = "without-secret-memory";
    cmd!(sh, "cargo build --quiet -p stronghold-conformance --bin {program}").run()?;
    Ok(workspace::target_directory(sh)?.join("debug").join(program))
}

fn cargo<'a>(
    sh: &'a Shell,
    machine: &Machine,
    denying: Option<&Path>,
    directory: &Path,
    verb: &str,
    what: &[String],
) -> Cmd<'a> {
    let triple = machine.triple;
    let (of_cc, of_cargo) = (triple.replace('-', "_"), triple.replace('-', "_").to_uppercase());
    // What would hang is killed with all that it started.
    let (options, rest) = match what.iter().position(|word| word == "--") {
        Some(end) => what.split_at(end),
        None => (what, &[][..]),
    };
    let command = cmd!(
        sh,
        "timeout -s KILL {SECONDS} {denying...} /usr/bin/cargo {verb} {options...} -Zbuild-std --target {triple} --target-dir {directory} {rest...}"
    );
    let mut command = debian::alone(command)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env(format!("CC_{of_cc}"), machine.compiler)
        .env(format!("CARGO_TARGET_{of_cargo}_LINKER"), machine.compiler);
    if machine.variant == Variant::CLibrary {
        command = command.env("RUSTFLAGS", "--cfg=rustix_use_libc");
    }
    if !machine.runner.is_empty() {
        command = command.env(format!("CARGO_TARGET_{of_cargo}_RUNNER"), machine.runner);
        if !machine.is_windows {
            // Wine starts programs of Windows by itself.
            command = command.env("STRONGHOLD_TEST_RUNNER", machine.runner);
        }
    }
    command
}

fn is_there(sh: &Shell, program: &str) -> bool {
    cmd!(sh, "which {program}").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

/// What was found on one target.
struct Row {
    label: String,
    how: &'static str,
    tests: Option<Tests>,
    kept: bool,
}

impl Row {
    /// Prints it, and puts it among what was found before.
    fn record(&self, sh: &Shell, check: bool) -> Result {
        let line = self.line(sh);
        println!("{HEAD}{line}");
        let lacking = self.lacking();
        lacking.lines().for_each(|line| println!("{line}"));
        if check {
            return Ok(());
        }
        let text = with(&page::section("targets")?, &self.label, &line, &lacking);
        page::record(sh, "targets", "cargo xtask targets", &text)
    }

    fn line(&self, sh: &Shell) -> String {
        let number = |of: fn(&Tests) -> u64| {
            self.tests.as_ref().map_or_else(|| "–".to_owned(), |tests| of(tests).to_string())
        };
        let shown = number(Tests::shown);
        let lacking = number(|tests| tests.lacking.len() as u64);
        let failed = number(|tests| tests.failed.len() as u64);
        let verdict = if self.kept { "ok" } else { "FAILED" };
        let day = cmd!(sh, "date -u +%F").quiet().read().unwrap_or_default();
        let (label, how, revision) = (&self.label, self.how, page::revision(sh));
        format!("| {label} | {how} | {shown} | {lacking} | {failed} | {verdict} | {day} | {revision} |\n")
    }

    /// What the target lacks, and which tests are about it.
    fn lacking(&self) -> String {
        let mut by_cause = BTreeMap::<&str, Vec<&str>>::new();
        for (test, why) in self.tests.iter().flat_map(|tests| &tests.lacking) {
            by_cause.entry(why).or_default().push(test);
        }
        let lines = by_cause
            .into_iter()
            .map(|(why, tests)| format!("* {}, {why}: `{}`\n", self.label, tests.join("`, `")));
        lines.collect()
    }
}

fn linted(triple: &str) -> String {
    format!("`{triple}`")
}

/// The section with the row of `label` and what it lacks put in, in the order of all targets.
fn with(section: &str, label: &str, line: &str, lacking: &str) -> String {
    let all = check_targets::LINTED.into_iter().map(linted).chain(MACHINES.iter().map(Machine::label));
    let (mut rows, mut notes) = (String::new(), String::new());
    for other in all {
        if other == label {
            rows += line;
            notes += lacking;
            continue;
        }
        let of = |start: &str| {
            section.lines().filter(|line| line.starts_with(start)).map(|line| format!("{line}\n")).collect()
        };
        let (row, note): (String, String) = (of(&format!("| {other} |")), of(&format!("* {other},")));
        rows += &row;
        notes += &note;
    }
    if notes.is_empty() { format!("{HEAD}{rows}") } else { format!("{HEAD}{rows}\nLacking:\n\n{notes}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_replaced_and_the_others_kept_with_what_they_lack() {
        let [first, second] = [&MACHINES[0], &MACHINES[1]].map(Machine::label);
        let section = with("", &first, &format!("| {first} | 1 |\n"), &format!("* {first}, a: `t`\n"));
        let section = with(&section, &second, &format!("| {second} | 2 |\n"), "");
        let section = with(&section, &second, &format!("| {second} | 3 |\n"), "");
        let rows = format!("| {first} | 1 |\n| {second} | 3 |\n");
        assert_eq!(section, format!("{HEAD}{rows}\nLacking:\n\n* {first}, a: `t`\n"));
    }
}
