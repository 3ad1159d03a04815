//! Holds a random secret in a process of its own through named stages, while the testing process reads all of its memory
//! at each of them.

pub use crate::scan::{Copies, Found};

use crate::child::{self, Conditions};
use crate::laws::Subject;
use crate::scan::scan;
use core::hint::black_box;
use locked_memory::{Buffer, LockedMemory};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::Stdio;

/// The length of the secret, in bytes.
pub const SECRET_BYTES: usize = 32;

/// What marks a stage on standard output, among the lines of the test runner.
const STAGE: &str = "STAGE ";

/// The process that holds the secret, as its body sees it.
#[derive(Debug)]
pub struct Holder {
    input: File,
}

impl Holder {
    /// Reads the secret, unbuffered: whoever reads it decides where its bytes go.
    pub fn secret(&mut self) -> impl Read + '_ {
        (&self.input).take(SECRET_BYTES as u64)
    }

    /// Stays at the stage `name` until the memory of the calling process was read: of a forked child, where one calls.
    ///
    /// # Panics
    /// Where the testing process is gone.
    #[allow(clippy::expect_used)]
    pub fn at(&mut self, name: &str) {
        let line = format!("{STAGE}{} {name}\n", std::process::id());
        io::stdout()
            .write_all(line.as_bytes())
            .and_then(|()| io::stdout().flush())
            .expect("the tester listens");
        self.input.read_exact(&mut [0]).expect("the tester answers");
    }
}

/// Runs `body` in a process of its own and returns what was found at each of its stages.
///
/// `test` is the path of the calling test as the test runner prints it. The secret reaches the process through a pipe, so
/// that no copy of it lies there but those that `body` makes.
///
/// # Panics
/// Where the process does not come to its end, or its memory cannot be read.
#[allow(clippy::expect_used)]
pub fn hold(test: &str, body: impl FnOnce(&mut Holder)) -> Vec<(String, Found)> {
    if child::is_child_of(test) {
        let input =
            std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned().expect("standard input is open");
        body(&mut Holder { input: File::from(input) });
        std::process::exit(0);
    }
    let mut secret = [0; SECRET_BYTES];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut secret)).expect("random bytes");

    let mut command = child::command(Conditions::default(), test);
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the test binary starts");
    let mut stdin = process.stdin.take().expect("piped");
    let stdout = BufReader::new(process.stdout.take().expect("piped"));
    stdin.write_all(&secret).expect("the process takes the secret");
    let mut found = Vec::new();
    for line in stdout.lines() {
        let line = line.expect("the process prints text");
        // The first stage follows the test runner's own words on one line.
        let Some((_, stage)) = line.split_once(STAGE) else { continue };
        let (pid, name) = stage.split_once(' ').expect("a stage has a process and a name");
        let copies =
            scan(pid.parse().expect("a number"), &secret).expect("the memory of a child can be read");
        found.push((name.to_owned(), copies));
        stdin.write_all(&[0]).expect("the process waits for an answer");
    }
    let status = process.wait().expect("the process ends");
    assert!(status.success(), "the process of {test} ended with {status}");
    found
}

/// How many of `copies` in guarded pages a debugger sees: none where they are secret memory, of which the kernel reads nothing
/// for anyone.
#[must_use]
pub fn seen_in_guarded_pages(copies: usize) -> usize {
    if boxed::secret_memory().is_ok() { 0 } else { copies }
}

/// Every operation of a memory, each with a stage behind it, in a process of its own. Returns what was found at each.
///
/// The secret itself is at most in guarded pages, and at rest (all stages whose name begins with those words, and the last)
/// not even there, unless the memory keeps it clear by intent.
///
/// # Panics
/// Where an operation fails.
#[allow(clippy::unwrap_used)]
#[must_use]
pub fn of_every_operation<M: LockedMemory>(test: &str, subject: &Subject<M>) -> Vec<(String, Found)> {
    hold(test, |holder| {
        let buffer = Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap();
        holder.at("read into a buffer");
        let mut memory = (subject.make)(&buffer.borrow()).unwrap();
        drop(buffer);
        holder.at("at rest: made");
        let mut sum = 0_u8;
        (subject.with)(&memory, &mut |bytes| sum = bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)))
            .unwrap();
        black_box(sum);
        holder.at("at rest: used on the spot");
        let buffer = memory.unlock().unwrap();
        holder.at("buffer held");
        let borrowed = buffer.borrow();
        black_box(borrowed.iter().max());
        holder.at("borrowed");
        drop(borrowed);
        drop(buffer);
        holder.at("at rest: unlocked and dropped");
        let clone = (subject.try_clone)(&memory).unwrap();
        holder.at("at rest: cloned");
        (subject.replace)(&mut memory, clone.unlock().unwrap()).unwrap();
        holder.at("at rest: replaced");
        let mut memory = memory.update(clone.unlock().unwrap(), SECRET_BYTES).unwrap();
        holder.at("at rest: updated");
        assert!(memory.unlock().unwrap() == clone.unlock().unwrap());
        holder.at("at rest: compared");
        drop(clone);
        holder.at("at rest: the clone dropped");
        memory.zeroize();
        holder.at("zeroized");
    })
}

/// Checks what [`of_every_operation`] returns for a memory that keeps nothing clear at rest: no piece of the secret outside
/// guarded pages ever, none at all at rest, and while it is in use one copy that is
/// [seen](seen_in_guarded_pages) where it can be.
///
/// # Panics
/// Where there is more, or less.
pub fn leave_nothing_at_rest(found: &[(String, Found)]) {
    assert_eq!(found.len(), 12);
    for (stage, copies) in found {
        let in_use = !(stage.starts_with("at rest") || stage == "zeroized");
        assert_eq!(copies.ordinary, Copies::default(), "{stage}: {copies:?}");
        let expected = seen_in_guarded_pages(usize::from(in_use));
        assert_eq!(copies.guarded.whole, expected, "{stage}: {copies:?}");
        assert!(expected > 0 || copies.guarded == Copies::default(), "{stage}: {copies:?}");
    }
}
