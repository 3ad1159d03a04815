//! `cargo xtask swap`: what is written to swap of a program that keeps secrets and runs out of memory.
//!
//! The worker holds secrets in a control group that is smaller than what it goes on to use, so that the kernel writes what it
//! has not used for long to a swap file. That is searched for eight bytes in a row of any secret. A worker that holds them in
//! vectors does the same: those must be found.

use crate::{Result, no_more, page, table, worker};
use pico_args::Arguments;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use xshell::{Shell, TempDir, cmd};

/// The size of the swap file, in MiB.
const SWAP_MIB: u32 = 192;
/// What the worker may keep in memory, in bytes, and what it uses beside its secrets, in MiB.
const LIMIT: u64 = 48 << 20;
const USED_MIB: u32 = 128;
/// A worker of which less was swapped was not pressed, in KiB.
const LEAST_KIB: u64 = 32 << 10;

/// Different from every number that is likely to lie around.
const SEED: u64 = 0x5eed;

struct Case {
    /// The memory and the backing of its pages, as the worker knows them.
    kind: &'static str,
    backing: &'static str,
    what: &'static str,
    count: u32,
    /// Whether its secrets must be found, not missing.
    control: bool,
}

const fn case(kind: &'static str, backing: &'static str, what: &'static str, count: u32) -> Case {
    Case { kind, backing, what, count, control: false }
}

/// The control comes first: where nothing of it is found, swap does not reach the file, and nothing can be said.
const CASES: [Case; 9] = [
    Case { control: true, ..case("plain", "ordinary", "vectors, to be found", 10_000) },
    case("ram", "secret", "RamMemory, secret memory", 10_000),
    case("ram", "ordinary", "RamMemory, ordinary pages", 10_000),
    case("file", "ordinary", "FileMemory", 10_000),
    case("full-ram", "ordinary", "NonContiguous FullRam", 10_000),
    case("guarded", "secret", "guarded, secret memory", 1_000),
    case("guarded", "ordinary", "guarded, ordinary pages", 1_000),
    case("buffer", "secret", "Buffer, secret memory", 1_000),
    case("buffer", "ordinary", "Buffer, ordinary pages", 1_000),
];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    let worker = worker::build(sh)?;
    let skipped = |reason: &dyn std::fmt::Display| {
        println!("skipped: this machine does not allow it: {reason}");
        Ok(())
    };
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => return skipped(&format!("no control group with limited memory: {error}")),
    };
    let mut missed = 0;
    let mut lines = Vec::new();
    for case in &CASES {
        let swap = match Swap::on(sh) {
            Ok(swap) => swap,
            Err(error) => return skipped(&format!("no swap file: {error}")),
        };
        let Some(swapped_kib) = press(&worker, case, &group)? else {
            println!("skipped: {}: this kernel does not grant it", case.what);
            continue;
        };
        let (image, seed, count) = (swap.copy()?, SEED.to_string(), case.count.to_string());
        let pieces: u64 = cmd!(sh, "{worker} search {image} {seed} {count}").quiet().read()?.parse()?;
        if case.control && pieces == 0 {
            return skipped(&"what is swapped does not reach the file (zswap?)");
        }
        let kept = swapped_kib >= LEAST_KIB && (pieces > 0) == case.control;
        missed += usize::from(!kept);
        lines.push(vec![
            case.what.to_owned(),
            case.count.to_string(),
            swapped_kib.to_string(),
            pieces.to_string(),
            table::verdict(kept),
        ]);
    }
    let header = ["kept in", "secrets", "KiB swapped", "pieces found", "verdict"];
    let text = table::render(&header, &[false, true, true, true], &lines);
    println!("{text}");
    match missed {
        0 if !check => page::write(sh, "swap", "cargo xtask swap", &text),
        0 => Ok(()),
        _ => Err("swap holds what it must not, or the search misses what it must find".into()),
    }
}

/// Lets a worker run out of memory, and says how much of it was swapped; `None` where its pages are not granted.
fn press(worker: &Path, case: &Case, group: &Group) -> Result<Option<u64>> {
    let (seed, count, mib) = (SEED.to_string(), case.count.to_string(), USED_MIB.to_string());
    let mut source =
        Ended(Command::new(worker).args(["secrets", &seed, &count]).stdout(Stdio::piped()).spawn()?);
    let secrets = source.0.stdout.take().ok_or("the source has no output")?;
    let enter = r#"echo $$ > "$1" && shift && exec "$@""#;
    let mut held = Ended(
        Command::new("sh")
            .args(["-c", enter, "sh"])
            .arg(group.0.join("cgroup.procs"))
            .arg(worker)
            .args(["press", case.kind, case.backing, &count, &mib])
            .stdin(secrets)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let mut said = String::new();
    BufReader::new(held.0.stdout.take().ok_or("the worker has no output")?).read_line(&mut said)?;
    if said.trim() != "pressed" {
        let mut complaint = String::new();
        BufReader::new(held.0.stderr.take().ok_or("the worker has no errors")?).read_line(&mut complaint)?;
        return if case.backing == "secret" && complaint.contains("memfd_secret") {
            Ok(None)
        } else {
            Err(format!("the worker ended: {}", complaint.trim()).into())
        };
    }
    let status = fs::read_to_string(format!("/proc/{}/status", held.0.id()))?;
    let swapped = status.lines().find_map(|line| line.strip_prefix("VmSwap:"));
    let kib = swapped.and_then(|line| line.split_whitespace().next()).ok_or("the kernel tells no VmSwap")?;
    Ok(Some(kib.parse()?))
}

/// A process that does not outlive this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A swap file that is in use.
struct Swap<'a> {
    sh: &'a Shell,
    directory: TempDir,
    is_on: bool,
}

impl<'a> Swap<'a> {
    fn on(sh: &'a Shell) -> Result<Self> {
        let mut swap = Self { sh, directory: sh.create_temp_dir()?, is_on: false };
        let (file, size) = (swap.file(), SWAP_MIB.to_string());
        // Written in full: the kernel takes no file with holes.
        cmd!(sh, "dd if=/dev/zero of={file} bs=1M count={size} conv=fsync status=none").quiet().run()?;
        cmd!(sh, "chmod 600 {file}").quiet().run()?;
        cmd!(sh, "mkswap {file}").quiet().ignore_stdout().ignore_stderr().run()?;
        // Before every other.
        cmd!(sh, "swapon --priority 32767 {file}").quiet().ignore_stderr().run()?;
        swap.is_on = true;
        Ok(swap)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("swap")
    }

    /// A copy of what is on the disk, which may not be what the kernel remembers of the file.
    fn copy(&self) -> Result<PathBuf> {
        let (sh, file, copy) = (self.sh, self.file(), self.directory.path().join("copy"));
        cmd!(sh, "dd if={file} of={copy} bs=1M iflag=direct status=none").quiet().run()?;
        Ok(copy)
    }
}

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        if self.is_on {
            let file = self.file();
            // What cannot be turned off now is turned off with the machine; the next use would fail and say so.
            drop(cmd!(self.sh, "swapoff {file}").quiet().run());
        }
    }
}

/// A control group that may keep [`LIMIT`] bytes in memory and swap the rest.
struct Group(PathBuf);

impl Group {
    fn new() -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("stronghold-{}", std::process::id());
        let (group, limit) = if root.join("cgroup.controllers").exists() {
            fs::write(root.join("cgroup.subtree_control"), "+memory")?;
            (Self(root.join(name)), "memory.max")
        } else {
            (Self(root.join("memory").join(name)), "memory.limit_in_bytes")
        };
        fs::create_dir(&group.0)?;
        fs::write(group.0.join(limit), LIMIT.to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that still has a process stays; it is named after this process and does no harm.
        drop(fs::remove_dir(&self.0));
    }
}
