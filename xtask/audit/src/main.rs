//! Leads a secret through the life it has in this library and in its peers, while another process looks for it.
//!
//! `cargo xtask audit` runs it. The holders of the secret are this program too, started again for one subject each.

mod attack;
mod holder;
mod page;
mod stage;
mod subjects;
mod table;
mod verdict;

use attack::{Attacker, Finds};
use holder::Holder;
use pico_args::Arguments;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use subjects::{Claim, Result, Subject};

const USAGE: &str = "\
usage: audit [--check] [--page DIRECTORY] [--only TEXT]

  --check            exit code 1 where something is found that this library claims is not there
  --page DIRECTORY   writes DIRECTORY/index.html
  --only TEXT        looks at nothing but libraries and memories with TEXT in their name";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("audit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = Arguments::from_env();
    let subjects = subjects::all();
    if arguments.subcommand()?.as_deref() == Some("hold") {
        let number: usize = arguments.free_from_str()?;
        return hold(subjects.get(number).ok_or("no such subject")?);
    }
    let check = arguments.contains("--check");
    let page: Option<String> = arguments.opt_value_from_str("--page")?;
    let only: Option<String> = arguments.opt_value_from_str("--only")?;
    if !arguments.finish().is_empty() {
        return Err(USAGE.into());
    }
    let audit = Audit::of(&subjects, &only.unwrap_or_default())?;
    println!("{}", table::render(&audit));
    if let Some(directory) = page {
        fs::create_dir_all(&directory)?;
        fs::write(Path::new(&directory).join("index.html"), page::render(&audit))?;
    }
    Ok(if check && !audit.broken.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn hold(subject: &Subject) -> Result<ExitCode> {
    subjects::choose_backing(subject.claim)?;
    (subject.hold)(&mut Holder::new())?;
    Ok(ExitCode::SUCCESS)
}

/// What was found of every subject.
struct Audit<'a> {
    finds: Vec<(&'a Subject, Finds)>,
    /// What was left out and why, and peers that failed.
    notes: Vec<String>,
    /// Claims that do not hold.
    broken: Vec<String>,
}

impl<'a> Audit<'a> {
    /// Looks at those with `only` in their name.
    fn of(subjects: &'a [Subject], only: &str) -> Result<Self> {
        let mut audit = Self { finds: Vec::new(), notes: Vec::new(), broken: Vec::new() };
        let core_dumps = attack::allow_core_dumps();
        if let Err(reason) = &core_dumps {
            audit.notes.push(format!("skipped: core dumps: {reason}"));
        }
        let no_secret_memory = runtime::doctor()
            .check(runtime::hardening::Topic::SecretMemory)
            .filter(|check| check.verdict != runtime::hardening::Verdict::Good)
            .map(|check| check.state.clone());
        for (number, subject) in subjects.iter().enumerate() {
            let name = format!("{}, {}", subject.library, subject.what);
            if !name.contains(only) {
                continue;
            }
            if let (true, Some(reason)) = (subject.needs_secret_memory, &no_secret_memory) {
                audit.notes.push(format!("skipped: {name}: secret memory is {reason}"));
                continue;
            }
            progress(&format!("{}/{} {name}", number + 1, subjects.len()));
            let outcome = attack::attack(number, core_dumps.is_ok(), subject.claim != Claim::None)
                .map_err(|error| format!("{name}: {error}"))?;
            if let Some(failure) = outcome.failure {
                let notes = if subject.claim == Claim::None { &mut audit.notes } else { &mut audit.broken };
                notes.push(format!("{name}: {failure}"));
            }
            audit.broken.extend(verdict::broken(subject, &outcome.finds));
            audit.finds.push((subject, outcome.finds));
        }
        progress("");
        Ok(audit)
    }

    /// Those who looked.
    fn attackers(&self) -> impl Iterator<Item = Attacker> {
        let looked = |attacker: &Attacker| {
            self.finds.iter().any(|(_, finds)| finds.keys().any(|(who, _)| who == attacker))
        };
        Attacker::ALL.into_iter().filter(looked)
    }
}

/// One line that is written over, where someone watches.
fn progress(text: &str) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        // A line that cannot be shown is not missed.
        write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush()).unwrap_or_default();
    }
}
