//! One run under strace.

use super::plan::Injection;
use crate::Result;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any run takes: one that hangs is killed then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose life it is.
pub(super) type Who<'a> = (&'a str, &'a str);

/// What one run showed.
#[derive(Default)]
pub(super) struct Ran {
    /// `None` where it was killed for it did not end.
    pub(super) status: Option<ExitStatus>,
    pub(super) said: String,
    pub(super) complained: String,
    /// The calls in their order.
    pub(super) calls: Vec<Call>,
}

/// A call, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    /// The operation of the library that made it, counted from zero; `None` for calls of the process itself.
    pub(super) operation: Option<usize>,
    /// Whether strace let it fail.
    pub(super) injected: bool,
}

/// Lets a process live. Without an injection all its calls are written down, else those that matter.
pub(super) fn run(
    program: &Path,
    log: &Path,
    who: Who<'_>,
    call: &str,
    injection: Option<&Injection>,
) -> Result<Ran> {
    let mut command = Command::new("strace");
    // Calls that are not of interest do not stop at strace.
    command.args(["-f", "--seccomp-bpf", "-o"]).arg(log);
    let mut plan = "once";
    if let Some(injection) = injection {
        command.args(["-e", &format!("trace={},getppid,getpid", injection.calls().join(","))]);
        for expression in injection.expressions() {
            command.args(["-e", &expression]);
        }
        plan = if injection.always { "always" } else { "once" };
    }
    command.arg(program).args(["live", who.0, who.1, call, plan]).env("RUST_BACKTRACE", "0");
    let mut ran = within(command)?;
    ran.calls = parse(&std::fs::read_to_string(log)?);
    Ok(ran)
}

fn within(mut command: Command) -> Result<Ran> {
    in_a_group(&mut command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut output, mut errors) =
        (child.stdout.take().ok_or("there is no output")?, child.stderr.take().ok_or("there is no output")?);
    let said = thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let complained = thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > PATIENCE {
            // strace and what it looks at.
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).status()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let said = said.join().map_err(|_| "the reader failed")??;
    let complained = complained.join().map_err(|_| "the reader failed")??;
    Ok(Ran { status, said, complained, calls: Vec::new() })
}

#[cfg(unix)]
fn in_a_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(not(unix))]
fn in_a_group(_: &mut Command) {}

/// Reads lines of a process and a call.
pub(super) fn parse(log: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let (mut begun, mut inside) = (0, false);
    for line in log.lines() {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let Some((name, rest)) = line.split_once('(') else { continue };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue; // signals and the end of the process
        }
        inside &= name != "getpid";
        if name == "getppid" {
            begun += 1;
            inside = true;
            continue;
        }
        let operation = inside.then(|| begun - 1);
        calls.push(Call { name: name.to_owned(), operation, injected: rest.ends_with("(INJECTED)") });
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_belong_to_the_operation_between_the_marks() {
        let log = "\
12 execve(\"faults\", [], 0x7ffd /* 1 var */) = 0
12 getppid()                             = 1
12 mprotect(0x7f, 4096, PROT_NONE)       = -1 ENOMEM (Cannot allocate memory) (INJECTED)
12 getpid()                              = 12
12 mmap(NULL, 4096, 0, 0, -1, 0)         = 0x7f
12 getppid()                             = 1
12 mmap(NULL, 4096, 0, 0, -1, 0)         = 0x7f
12 --- SIGABRT {si_signo=SIGABRT} ---
12 +++ killed by SIGABRT +++
";
        let call = |name: &str, operation, injected| Call { name: name.to_owned(), operation, injected };
        let expected = [
            call("execve", None, false),
            call("mprotect", Some(0), true),
            call("getpid", None, false),
            call("mmap", None, false),
            call("mmap", Some(1), false),
        ];
        assert_eq!(parse(log), expected);
    }
}
