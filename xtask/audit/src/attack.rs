//! Looks for a secret from outside the process that holds it.

use crate::holder::{SECRET_BYTES, Word};
use crate::stage::Stage;
use crate::subjects::Result;
use conformance::scan::{Copies, Needle, scan};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Where one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attacker {
    /// Reads all memory of the process through the kernel, as a debugger of root does.
    Debugger,
    /// Has the core dump that the kernel writes: memory, and the registers of every thread.
    CoreDump,
    /// Reads all memory of a child that was forked.
    ForkedChild,
    /// Reads every file that the process has open or has made.
    Files,
}

impl Attacker {
    pub(crate) const ALL: [Self; 4] = [Self::Debugger, Self::CoreDump, Self::ForkedChild, Self::Files];
}

impl fmt::Display for Attacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debugger => "Root debugger: all memory, through the kernel",
            Self::CoreDump => "Core dump: memory and registers, as the kernel writes them",
            Self::ForkedChild => "Forked child: all of its memory",
            Self::Files => "Files: open or made, with and without a name",
        })
    }
}

/// What was found of one subject.
pub(crate) type Finds = BTreeMap<(Attacker, Stage), Copies>;

/// What became of one subject.
pub(crate) struct Outcome {
    pub(crate) finds: Finds,
    /// How its process ended, where it did not come to the end of its stages.
    pub(crate) failure: Option<String>,
}

/// What the kernel adds to a core dump beside the private memory it always writes: everything, see `core(5)`.
const EVERY_MAPPING: &str = "0x7f";

/// Lets this process, and those it starts, leave core dumps in their directories.
///
/// # Errors
/// With the reason why they cannot.
pub(crate) fn allow_core_dumps() -> Result {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    let pattern = pattern.trim();
    if pattern.starts_with('|') || pattern.contains('/') {
        let advice = "`sysctl kernel.core_pattern=core` lets it write them where the process runs";
        return Err(format!("the kernel hands core dumps to {pattern}; {advice}").into());
    }
    let hard = getrlimit(Resource::Core).maximum;
    let whole = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Core, whole).is_err() {
        if hard == Some(0) {
            return Err("core dumps are limited to 0 bytes, for good".into());
        }
        setrlimit(Resource::Core, Rlimit { current: hard, maximum: hard })?;
    }
    Ok(fs::write("/proc/self/coredump_filter", EVERY_MAPPING)?)
}

/// Leads subject number `number` through its stages, and looks at each. A core dump is one that `must_be`, or it may be that the
/// subject forbids it.
pub(crate) fn attack(number: usize, core_dumps: bool, must_be: bool) -> Result<Outcome> {
    let mut secret = [0; SECRET_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let needle = Needle::new(&secret);
    let mut finds = Finds::new();
    let mut stages = Vec::new();

    let mut holder = Running::start(number, &secret)?;
    while let Some(stage) = holder.next_stage()? {
        stages.push(stage);
        finds.insert((Attacker::Debugger, stage), memory(holder.child.id(), &secret)?);
        finds.insert((Attacker::Files, stage), holder.files(&needle)?);
        let child = holder.fork()?;
        let found = memory(u32::try_from(child.as_raw_nonzero().get())?, &secret);
        kill_process(child, Signal::KILL)?;
        finds.insert((Attacker::ForkedChild, stage), found?);
        holder.say(Word::Go)?;
    }
    let last = stages.last().map_or_else(|| "its start".to_owned(), |stage| stage.to_string());
    let failure = holder.failure()?.map(|status| format!("ended with {status} after {last}"));

    // A process of its own for each, to which no one but its end came near.
    for stage in stages.into_iter().filter(|_| core_dumps) {
        let mut holder = Running::start(number, &secret)?;
        while holder.next_stage()? != Some(stage) {
            holder.say(Word::Go)?;
        }
        finds.insert((Attacker::CoreDump, stage), holder.dump_core(&needle, must_be)?);
    }
    Ok(Outcome { finds, failure })
}

fn memory(pid: u32, secret: &[u8]) -> Result<Copies> {
    let found = scan(pid, secret)?;
    Ok(sum(found.ordinary, found.guarded))
}

fn sum(a: Copies, b: Copies) -> Copies {
    Copies { whole: a.whole + b.whole, windows: a.windows + b.windows }
}

/// A process that holds the secret, and the directory that is all it knows of the disk.
struct Running {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    directory: TempDir,
}

impl Running {
    fn start(number: usize, secret: &[u8]) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["hold", &number.to_string()]).current_dir(&directory);
        for place in ["TMPDIR", "HOME", "XDG_DATA_HOME"] {
            command.env(place, directory.path());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut to = child.stdin.take().ok_or("no pipe")?;
        let from = child.stdout.take().ok_or("no pipe")?;
        to.write_all(secret)?;
        Ok(Self { child, to, from, directory })
    }

    /// The stage at which it stands now; `None` at its end.
    fn next_stage(&mut self) -> Result<Option<Stage>> {
        let mut stage = [0];
        match self.from.read_exact(&mut stage) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let stage = Stage::ALL.into_iter().find(|known| *known as u8 == stage[0]);
        Ok(Some(stage.ok_or("the holder names no stage")?))
    }

    fn say(&mut self, word: Word) -> Result {
        Ok(self.to.write_all(&[word as u8])?)
    }

    fn fork(&mut self) -> Result<Pid> {
        self.say(Word::Fork)?;
        let mut child = [0; 4];
        self.from.read_exact(&mut child)?;
        Ok(Pid::from_raw(i32::from_le_bytes(child)).ok_or("the holder names no child")?)
    }

    fn files(&self, needle: &Needle<'_>) -> Result<Copies> {
        let mut found = below(self.directory.path(), needle)?;
        for descriptor in fs::read_dir(format!("/proc/{}/fd", self.child.id()))? {
            let descriptor = descriptor?.path();
            if fs::metadata(&descriptor)?.is_file() {
                match fs::read(&descriptor) {
                    // A file of secret memory, which no one but its owner opens.
                    Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {}
                    content => needle.count(&content?, &mut found),
                }
            }
        }
        Ok(found)
    }

    /// Ends it with a signal that leaves a core dump, and searches that.
    fn dump_core(mut self, needle: &Needle<'_>, must_be: bool) -> Result<Copies> {
        // What it made itself is told by `files`.
        let own = names(self.directory.path())?;
        kill_process(Pid::from_child(&self.child), Signal::ABORT)?;
        let status = self.child.wait()?;
        let core = names(self.directory.path())?.into_iter().find(|name| !own.contains(name));
        let mut found = Copies::default();
        match core {
            Some(core) => {
                for part in data(&File::open(self.directory.path().join(core))?)? {
                    needle.count(&part, &mut found);
                }
            }
            None if must_be => return Err(format!("a holder left no core dump: {status}").into()),
            None => {}
        }
        Ok(found)
    }

    /// How it ended, unless well.
    fn failure(mut self) -> Result<Option<ExitStatus>> {
        Ok(Some(self.child.wait()?).filter(|status| !status.success()))
    }
}

/// What a file holds between its holes: a core dump can be larger than the machine.
fn data(file: &File) -> Result<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    let mut at = 0;
    loop {
        let begin = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return Ok(parts), // no more data
            other => other?,
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(begin))?;
        let mut part = vec![0; usize::try_from(at - begin)?];
        file.read_exact_at(&mut part, begin)?;
        parts.push(part);
    }
}

fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name());
    }
    Ok(names)
}

fn below(directory: &Path, needle: &Needle<'_>) -> Result<Copies> {
    let mut found = Copies::default();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found = sum(found, below(&path, needle)?);
        } else {
            needle.count(&fs::read(&path)?, &mut found);
        }
    }
    Ok(found)
}
