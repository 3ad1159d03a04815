//! `cargo xtask disk-image`: what is left of secrets on a disk whose program was killed.
//!
//! The worker stores secrets in files on an ext4 file system, which lies in an image that is mounted through a loop device.
//! It is killed with SIGKILL at random moments. After each the directory must be empty, and the raw image must not hold
//! eight bytes in a row of any secret. The same is done to a worker that stores them in the clear: those must be found.

use crate::{Result, no_more, page, table, worker};
use pico_args::Arguments;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use xshell::{Shell, TempDir, cmd};

/// The size of the image in bytes.
const IMAGE: u64 = 32 << 20;

/// The size of the blocks of its file system in bytes.
const BLOCK: usize = 4096;

/// The worker is killed within as many microseconds of its first secret.
const LONGEST: u64 = 40_000;

/// How many secrets a worker has announced when it has stored the first.
const BEGUN: usize = 2;

/// What every empty ext4 file system holds.
const LOST_AND_FOUND: &str = "lost+found";

struct Case {
    /// The kind of store as the worker knows it.
    kind: &'static str,
    what: &'static str,
    kills: usize,
    /// Whether its secrets must be found, not missing.
    control: bool,
}

const CASES: [Case; 3] = [
    Case { kind: "file-memory", what: "FileMemory", kills: 100, control: false },
    Case { kind: "full-file", what: "NonContiguous FullFile", kills: 20, control: false },
    Case { kind: "plain", what: "a plain file, to be found", kills: 4, control: true },
];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    let worker = worker::build(sh)?;
    let mut missed = 0;
    let mut lines = Vec::new();
    for case in &CASES {
        let left = kill_again_and_again(sh, &worker, case)?;
        let kept = if case.control {
            left.pieces > 0
        } else {
            left.reached == case.kills / 2 && left.names == 0 && left.pieces == 0
        };
        missed += usize::from(!kept);
        lines.push(vec![
            case.what.to_owned(),
            case.kills.to_string(),
            left.stored.to_string(),
            left.reached.to_string(),
            left.names.to_string(),
            left.pieces.to_string(),
            table::verdict(kept),
        ]);
    }
    let header = ["stored in", "kills", "secrets", "files on disk", "names left", "pieces found", "verdict"];
    let text = table::render(&header, &[false, true, true, true, true, true], &lines);
    println!("{text}");
    match missed {
        0 if !check => page::write(sh, "disk-image", "cargo xtask disk-image", &text),
        0 => Ok(()),
        _ => Err("the disk holds what it must not, or the search misses what it must find".into()),
    }
}

#[derive(Default)]
struct Left {
    stored: u64,
    /// How often the content of the worker's file was on the disk when it was killed.
    reached: usize,
    names: usize,
    pieces: usize,
}

fn kill_again_and_again(sh: &Shell, worker: &Path, case: &Case) -> Result<Left> {
    let disk = Disk::new(sh)?;
    let mut left = Left::default();
    for round in 0..case.kills {
        let seed = random();
        let running = Running::start(worker, case.kind, &disk.mounted(), seed)?;
        std::thread::sleep(Duration::from_micros(random() % LONGEST));
        // Every second time all that the worker has written goes to the disk first, while it stands still.
        if round % 2 == 1 {
            running.stop(sh)?;
            disk.sync()?;
            left.reached += usize::from(disk.holds(&running.block_of_file(&disk.mounted())?)?);
        }
        let stored = running.kill()?;
        disk.sync()?;
        left.stored += stored;
        left.names += disk.names()?;
        let (image, seed, stored) = (disk.image(), seed.to_string(), stored.to_string());
        left.pieces +=
            cmd!(sh, "{worker} search {image} {seed} {stored}").quiet().read()?.parse::<usize>()?;
    }
    disk.unmount()?;
    Ok(left)
}

/// Different on every call.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// A worker that stores secrets.
struct Running {
    child: Child,
    announced: ChildStdout,
}

impl Running {
    /// Returns once it has stored the first.
    fn start(worker: &Path, kind: &str, directory: &Path, seed: u64) -> Result<Self> {
        let mut child = Command::new(worker)
            .args(["store", kind])
            .arg(directory)
            .arg(seed.to_string())
            .env("TMPDIR", directory)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut announced = child.stdout.take().ok_or("the worker has no output")?;
        announced.read_exact(&mut [0; BEGUN])?;
        Ok(Self { child, announced })
    }

    fn stop(&self, sh: &Shell) -> Result {
        let pid = self.child.id().to_string();
        Ok(cmd!(sh, "kill -STOP {pid}").quiet().run()?)
    }

    /// A block, as it lies on the disk, of a file without a name that it has open below `directory`.
    fn block_of_file(&self, directory: &Path) -> Result<Vec<u8>> {
        for descriptor in fs::read_dir(format!("/proc/{}/fd", self.child.id()))? {
            let descriptor = descriptor?.path();
            if fs::read_link(&descriptor)?.starts_with(directory) {
                let content = fs::read(&descriptor)?;
                let written = content.chunks(BLOCK).find(|block| block.iter().any(|byte| *byte != 0));
                let mut block = written.unwrap_or_default().to_owned();
                block.resize(BLOCK, 0);
                return Ok(block);
            }
        }
        Err("the worker has no file open there".into())
    }

    /// Kills it with SIGKILL and says how many secrets it can have stored.
    fn kill(mut self) -> Result<u64> {
        self.child.kill()?;
        let mut rest = Vec::new();
        self.announced.read_to_end(&mut rest)?;
        self.child.wait()?;
        Ok((BEGUN + rest.len()) as u64)
    }
}

/// An ext4 file system of its own, in a file.
struct Disk<'a> {
    sh: &'a Shell,
    directory: TempDir,
    is_mounted: bool,
}

impl<'a> Disk<'a> {
    fn new(sh: &'a Shell) -> Result<Self> {
        let mut disk = Self { sh, directory: sh.create_temp_dir()?, is_mounted: false };
        let (image, mounted) = (disk.image(), sh.create_dir(disk.mounted())?);
        fs::File::create(&image)?.set_len(IMAGE)?;
        let block = BLOCK.to_string();
        cmd!(sh, "mkfs.ext4 -q -b {block} {image}").quiet().run()?;
        cmd!(sh, "mount -o loop {image} {mounted}").quiet().run()?;
        disk.is_mounted = true;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    /// Writes everything to the image.
    fn sync(&self) -> Result {
        let mounted = self.mounted();
        Ok(cmd!(self.sh, "sync --file-system {mounted}").quiet().run()?)
    }

    fn names(&self) -> Result<usize> {
        let mut names = 0;
        for entry in fs::read_dir(self.mounted())? {
            names += usize::from(entry?.file_name() != LOST_AND_FOUND);
        }
        Ok(names)
    }

    fn holds(&self, block: &[u8]) -> Result<bool> {
        let is_written = block.iter().any(|byte| *byte != 0);
        Ok(is_written && fs::read(self.image())?.chunks_exact(BLOCK).any(|held| held == block))
    }

    /// Fails where something keeps the file system, or it is not as it should be.
    fn unmount(mut self) -> Result {
        let (image, mounted) = (self.image(), self.mounted());
        cmd!(self.sh, "umount {mounted}").quiet().run()?;
        self.is_mounted = false;
        Ok(cmd!(self.sh, "e2fsck -f -n {image}").quiet().ignore_stdout().ignore_stderr().run()?)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        if self.is_mounted {
            let mounted = self.mounted();
            // After an error, of which the caller tells: what stays mounted here is of no use to anyone.
            drop(cmd!(self.sh, "umount --lazy {mounted}").quiet().run());
        }
    }
}
