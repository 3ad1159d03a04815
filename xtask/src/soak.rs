//! `cargo xtask soak`: whether what the library takes of the system ends where it began, after long and rough use.
//!
//! `benches/soak` runs as an ordinary user who may lock 64 KiB: 8 threads, which use every memory at random and look at
//! every byte, beside forks, signals and a refresher. It takes its figures twice, while it holds nothing: after a
//! warm-up, and at the end. `--leak slot|page|descriptor|heap` lets it leak such a thing now and then: the verb must
//! then fail.

use crate::{Result, no_more, ordinary, page, table, worker};
use pico_args::Arguments;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use xshell::Shell;

const LOCK_LIMIT_KIB: u64 = 64;

/// Fills the pool, the arenas of the allocator and the slots of the file.
const WARM_UP: u64 = 30;

/// What a process that hangs is given beyond its time before it is killed.
const GRACE: Duration = Duration::from_secs(60);

/// A figure, and by how much it may have grown.
struct Figure {
    name: &'static str,
    what: &'static str,
    tolerance: u64,
}

/// The tolerances are reasoned in docs/verification.md.
const FIGURES: [Figure; 7] = [
    Figure { name: "pages", what: "guarded pages in use", tolerance: 0 },
    Figure { name: "descriptors", what: "open descriptors", tolerance: 0 },
    Figure { name: "file-blocks", what: "bytes of the file on disk", tolerance: 64 << 10 },
    Figure { name: "file-length", what: "length of the file", tolerance: 256 << 10 },
    Figure { name: "locked", what: "bytes locked", tolerance: LOCK_LIMIT_KIB << 8 },
    Figure { name: "mappings", what: "mappings", tolerance: 32 },
    Figure { name: "resident", what: "resident bytes", tolerance: 1 << 20 },
];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let minutes: f64 = args.opt_value_from_str("--minutes")?.unwrap_or(10.0);
    let leak: Option<String> = args.opt_value_from_str("--leak")?;
    no_more(args)?;
    let worker = worker::build_of(sh, "stronghold-soak", "soak")?;
    let directory = sh.create_temp_dir()?;
    let copy = ordinary::copy(sh, &worker, directory.path())?;
    let mut command = ordinary::command(sh, &copy, LOCK_LIMIT_KIB)?;
    let time = Duration::from_secs_f64(minutes * 60.0);
    let seed = RandomState::new().hash_one(0);
    command.args([WARM_UP.to_string(), time.as_secs().to_string(), seed.to_string()]);
    if let Some(leak) = &leak {
        command.args(["--leak", leak]);
    }
    println!("{minutes} minutes after {WARM_UP} s of warm-up, seed {seed}");
    let said = within(&mut command, time + Duration::from_secs(WARM_UP) + GRACE)?;
    let (text, kept) = judge(&said, minutes)?;
    println!("{text}");
    match (kept, leak) {
        (true, None) if !check => {
            page::record(sh, "soak", &format!("cargo xtask soak --minutes {minutes}"), &text)
        }
        (true, None) => Ok(()),
        (true, Some(leak)) => Err(format!("no figure shows the leak of a {leak}").into()),
        (false, _) => Err("the process takes more at the end than it did at the beginning".into()),
    }
}

/// What `command` writes to standard output, if it ends well, and in time.
fn within(command: &mut std::process::Command, most: Duration) -> Result<String> {
    let begin = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > most {
            child.kill()?;
            child.wait()?;
            return Err("it hangs".into());
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut said)?;
    }
    if status.success() { Ok(said) } else { Err(format!("the worker ended with {status}").into()) }
}

/// Both tables, and whether every figure is where it was.
fn judge(said: &str, minutes: f64) -> Result<(String, bool)> {
    let number = |name: &str| -> Result<u64> {
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or(format!("the worker does not say {name}"))?.parse()?)
    };
    let did = ["operations", "refused", "refreshes", "forks", "signals"];
    let mut row = vec![minutes.to_string()];
    for name in did {
        row.push(number(name)?.to_string());
    }
    // Without these it was no soak.
    let mut kept = number("operations")? > 0 && number("forks")? > 0 && number("signals")? > 0;
    let header = ["minutes", "operations", "refused at the limit", "refreshes", "forks", "signals handled"];
    let work = table::render(&header, &[true; 6], &[row]);
    let mut rows = Vec::new();
    for Figure { name, what, tolerance } in FIGURES {
        let (before, after) = (number(&format!("before-{name}"))?, number(&format!("after-{name}"))?);
        let is_kept = after <= before + tolerance;
        kept &= is_kept;
        let [before, after, tolerance] = [before, after, tolerance].map(|number| number.to_string());
        rows.push(vec![what.to_owned(), before, after, tolerance, table::verdict(is_kept)]);
    }
    let header = ["figure", "before", "after", "may grow by", "verdict"];
    Ok((format!("{work}\n{}", table::render(&header, &[false, true, true, true], &rows)), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(after_descriptors: u64) -> String {
        let mut said = String::new();
        for when in ["before", "after"] {
            for figure in FIGURES {
                let is_counted = when == "after" && figure.name == "descriptors";
                let value = if is_counted { after_descriptors } else { 5 };
                said += &format!("{when}-{} {value}\n", figure.name);
            }
        }
        said + "operations 9\nrefused 1\nrefreshes 2\nforks 3\nsignals 4\n"
    }

    #[test]
    fn one_descriptor_more_than_before_is_missed() {
        assert!(judge(&said(5), 1.0).unwrap().1);
        assert!(!judge(&said(6), 1.0).unwrap().1);
    }

    #[test]
    fn a_run_without_forks_is_none() {
        assert!(!judge(&said(5).replace("forks 3", "forks 0"), 1.0).unwrap().1);
        assert!(judge(&said(5).replace("forks 3", ""), 1.0).is_err());
    }
}
