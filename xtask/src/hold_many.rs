//! The part of `cargo xtask capacity` that compares: every library makes secrets until it does not go on.

use crate::{Result, ordinary, plots, table, worker};
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use xshell::Shell;

/// A library as `hold-many` knows it, as it is written, and how many secrets it is asked for. Where one page per secret is
/// the way, the kernel's limit on mappings (`vm.max_map_count`) ends it long before.
const LIBRARIES: [(&str, &str, u64); 15] = [
    ("ram", "RamMemory", 1_000_000),
    ("ram-best-effort", "RamMemory, locked where possible", 100_000),
    ("file", "FileMemory", 100_000),
    ("full-ram", "NonContiguous FullRam", 100_000),
    ("guarded", "RamMemory, guarded", 20_000),
    ("buffer", "Buffer", 20_000),
    ("memsafe", "memsafe 1.0.4", 20_000),
    ("memsec-secret", "memsec 0.7.0 memfd_secret", 20_000),
    ("memsec", "memsec 0.7.0 malloc", 20_000),
    ("libsodium", "libsodium", 20_000),
    ("secrets", "secrets 1.3.0", 20_000),
    ("published-buffer", "published Buffer", 20_000),
    ("published-ram", "published RamMemory", 20_000),
    ("published-full-ram", "published NonContiguous FullRam", 20_000),
    ("published-file", "published FileMemory", 1_000),
];

const LOCK_LIMITS_KIB: [u64; 3] = [0, 64, 8192];

/// More than any library needs for as many as it is asked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one library came to under one limit.
pub(crate) struct Found {
    pub(crate) library: &'static str,
    pub(crate) limit_kib: u64,
    pub(crate) held: u64,
    /// How many of them are sealed or in locked memory.
    pub(crate) kept: u64,
    locked: u64,
    resident: u64,
    ended: String,
}

/// The table, and the plot of it.
pub(crate) fn compare(sh: &Shell) -> Result<(String, String)> {
    let program = worker::build_of(sh, "stronghold-peers", "hold-many")?;
    let directory = sh.create_temp_dir()?;
    let copy = ordinary::copy(sh, &program, directory.path())?;
    let mut found = Vec::new();
    for (index, (name, library, most)) in LIBRARIES.into_iter().enumerate() {
        eprintln!("[{}/{}] {library}", index + 1, LIBRARIES.len());
        for limit_kib in LOCK_LIMITS_KIB {
            found.push(hold(sh, &copy, name, library, most, limit_kib)?);
        }
    }
    let lines: Vec<Vec<String>> = found.iter().map(line).collect();
    let header = [
        "library",
        "lock limit",
        "secrets held",
        "locked or sealed",
        "bytes locked",
        "resident bytes each",
        "how it ended",
    ];
    Ok((table::render(&header, &[false, true, true, true, true, true], &lines), plots::capacity(&found)?))
}

fn line(found: &Found) -> Vec<String> {
    let each = match found.held {
        0 => "-".to_owned(),
        held => format!("{:.0}", found.resident as f64 / held as f64),
    };
    vec![
        found.library.to_owned(),
        format!("{} KiB", found.limit_kib),
        found.held.to_string(),
        found.kept.to_string(),
        found.locked.to_string(),
        each,
        found.ended.clone(),
    ]
}

fn hold(
    sh: &Shell,
    program: &Path,
    name: &str,
    library: &'static str,
    most: u64,
    limit_kib: u64,
) -> Result<Found> {
    let home = sh.create_temp_dir()?; // the published runtime keeps its files in the user's
    let mut command = ordinary::command(sh, program, limit_kib)?;
    ordinary::give(sh, home.path())?;
    command.args([name, &most.to_string()]).env("HOME", home.path());
    // A backtrace needs memory, and where there is none the search for one never ends.
    command.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut output = child.stdout.take().ok_or("there is no output")?;
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        output.read_to_string(&mut said).map(|_| said)
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = reader.join().map_err(|_| "the reader failed")??;
    let mut found =
        Found { library, limit_kib, held: 0, kept: 0, locked: 0, resident: 0, ended: String::new() };
    read(&said, &mut found)?;
    match status {
        None => found.ended = "hangs".to_owned(),
        Some(status) if !status.success() && found.ended.is_empty() => found.ended = status.to_string(),
        Some(_) if found.ended.is_empty() => return Err(format!("{name} does not say how it ended").into()),
        Some(_) => {}
    }
    Ok(found)
}

/// Reads lines of a name and a value, later ones over earlier ones.
fn read(said: &str, found: &mut Found) -> Result {
    for line in said.lines() {
        match line.split_once(' ') {
            Some(("made", count)) => found.held = count.parse()?,
            Some(("kept", count)) => found.kept = count.parse()?,
            Some(("ended", how)) => found.ended = shorten(how),
            Some(("held", _)) => match line.split(' ').collect::<Vec<_>>()[..] {
                ["held", _, "locked", locked, "resident", resident] => {
                    found.locked = locked.parse()?;
                    found.resident = resident.parse()?;
                }
                _ => return Err(format!("not a count: {line}").into()),
            },
            _ => return Err(format!("what is {line}?").into()),
        }
    }
    Ok(())
}

/// An error of many causes, down to the figures of the second.
fn shorten(how: &str) -> String {
    how.splitn(4, ": ").take(3).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Found {
        Found { library: "", limit_kib: 0, held: 0, kept: 0, locked: 0, resident: 0, ended: String::new() }
    }

    #[test]
    fn a_program_that_died_leaves_its_last_count() {
        let mut found = nothing();
        read("made 1\nmade 2\nheld 2 locked 8192 resident 100\nmade 3\n", &mut found).unwrap();
        assert_eq!((found.held, found.locked, found.resident), (3, 8192, 100));
        assert!(found.ended.is_empty());
    }

    #[test]
    fn the_end_is_told_in_few_words() {
        let mut found = nothing();
        read("kept 7\nended error: cannot create a Buffer: no room: errno 1\n", &mut found).unwrap();
        assert_eq!((found.kept, found.ended.as_str()), (7, "error: cannot create a Buffer: no room"));
        assert!(read("gibberish", &mut found).is_err());
    }
}
