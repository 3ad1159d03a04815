//! Tests that need a process of their own: because they crash, fork, set the policy, or live under other limits.
//!
//! A test calls [`run`] with its own path and a body. In the test process that starts the test binary again for this one
//! test; in there, the same call executes the body and ends the process. So a body stands right where it is tested:
//!
//! ```no_run
//! conformance::child::run("tests::reading_past_the_end_faults", || {
//!     // something that ends in SIGSEGV
//! })
//! .dies_of(conformance::child::SIGSEGV, "");
//! ```

use std::io::Write as _;
use std::process::{Command, Output, exit};

/// The signal of a memory access that faults.
pub const SIGSEGV: i32 = 11;
/// The signal of `abort`.
pub const SIGABRT: i32 = 6;

/// How Windows ends a program for a memory access that faults, `STATUS_ACCESS_VIOLATION`.
#[cfg(not(unix))]
const ACCESS_VIOLATION: i32 = 0xc000_0005_u32.cast_signed();

const MARK: &str = "STRONGHOLD_TEST_CHILD";

/// The variable that holds the words of a command which runs programs of the tests: an emulator, where their processor is not
/// the machine's.
const RUNNER: &str = "STRONGHOLD_TEST_RUNNER";

/// Limits and identity of a child process. Only Unix knows them; elsewhere the default alone works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// The limit of lockable memory, in KiB.
    pub lock_limit_kib: Option<u64>,
    /// Whether to run as an ordinary user, whom limits bind.
    pub ordinary_user: bool,
}

/// Runs `body` in a process of its own, under the same conditions as this one.
///
/// `test` is the path of the calling test as the test runner prints it.
///
/// # Panics
/// Where the process cannot be started.
pub fn run(test: &str, body: impl FnOnce()) -> Ending {
    run_under(Conditions::default(), test, body)
}

/// Runs `body` in a process of its own under `conditions`.
///
/// # Panics
/// Where the process cannot be started.
pub fn run_under(conditions: Conditions, test: &str, body: impl FnOnce()) -> Ending {
    if is_child_of(test) {
        body();
        std::io::stdout().flush().unwrap_or_default();
        exit(0);
    }
    Ending { test: test.to_owned(), output: spawn(conditions, test) }
}

/// Whether this process was started for `test`.
#[must_use]
pub fn is_child_of(test: &str) -> bool {
    std::env::var(MARK).is_ok_and(|mark| mark == test)
}

/// The command that starts this test binary again for `test` alone, under `conditions`.
///
/// # Panics
/// Where the test binary cannot be found or made readable to an ordinary user.
#[must_use]
#[allow(clippy::expect_used)]
pub fn command(conditions: Conditions, test: &str) -> Command {
    let exe = std::env::current_exe().expect("the test binary has a path");
    let mut command = under(conditions, &exe);
    command.args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"]);
    command.env(MARK, test);
    command
}

/// The command that starts `exe` under `conditions`.
///
/// # Panics
/// Where the program cannot be made readable to an ordinary user.
#[must_use]
#[allow(clippy::expect_used)]
pub fn under(conditions: Conditions, exe: &std::path::Path) -> Command {
    let runner = std::env::var(RUNNER).unwrap_or_default();
    let mut runner = runner.split_whitespace();
    let needs_shell = conditions.lock_limit_kib.is_some() || conditions.ordinary_user;
    if !needs_shell {
        let Some(emulator) = runner.next() else { return Command::new(exe) };
        let mut command = Command::new(emulator);
        command.args(runner).arg(exe);
        return command;
    }
    let limit = conditions.lock_limit_kib.map_or_else(|| "unlimited".to_owned(), |kib| kib.to_string());
    let mut command = Command::new("sh");
    #[cfg(unix)]
    if conditions.ordinary_user && is_root() {
        use std::os::unix::process::CommandExt as _;
        command.uid(65534).gid(65534);
    }
    let set_limit = conditions.lock_limit_kib.map_or_else(String::new, |_| format!("ulimit -l {limit} && "));
    command.args(["-c", &format!("{set_limit}exec \"$@\""), "sh"]).args(runner);
    command.arg(if conditions.ordinary_user { readable_copy(exe) } else { exe.to_owned() });
    command
}

/// `exe`, or a copy of it where it lies in a directory closed to other users.
#[allow(clippy::expect_used)]
fn readable_copy(exe: &std::path::Path) -> std::path::PathBuf {
    if !is_root() || open_to_all(exe) {
        return exe.to_owned();
    }
    let name = exe.file_name().expect("a program has a name").to_string_lossy().into_owned();
    let copy = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    if !copy.exists() {
        let unfinished = copy.with_extension(format!("{:?}", std::thread::current().id()));
        std::fs::copy(exe, &unfinished).expect("the test binary can be copied");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let anyone = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&unfinished, anyone).expect("the copy can be opened to others");
        }
        std::fs::rename(&unfinished, &copy).expect("the copy can be renamed");
    }
    copy
}

/// Whether every user may pass through each directory above `exe` and run it.
#[cfg(unix)]
fn open_to_all(exe: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    exe.ancestors().all(|path| path.metadata().is_ok_and(|data| data.permissions().mode() & 0o005 == 0o005))
}

#[cfg(not(unix))]
fn open_to_all(_exe: &std::path::Path) -> bool {
    true
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

#[cfg(unix)]
fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

#[allow(clippy::expect_used)]
fn spawn(conditions: Conditions, test: &str) -> Output {
    command(conditions, test).output().expect("the test binary can be started")
}

/// How a child process ended.
#[derive(Debug)]
#[must_use = "how the child ended is what the test is about"]
pub struct Ending {
    test: String,
    output: Output,
}

impl Ending {
    /// The body came to its end without a panic.
    ///
    /// # Panics
    /// Where it did not.
    pub fn succeeds(&self) -> &Self {
        assert!(self.output.status.success(), "{self}");
        self
    }

    /// A signal killed the process, and its standard error contains `message`.
    ///
    /// # Panics
    /// Where it ended otherwise or said something else.
    pub fn dies_of(&self, signal: i32, message: &str) -> &Self {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            assert_eq!(self.output.status.signal(), Some(signal), "{self}");
        }
        #[cfg(not(unix))]
        {
            assert!(!self.output.status.success(), "{self}");
            if cfg!(windows) && signal == SIGSEGV {
                assert_eq!(self.output.status.code(), Some(ACCESS_VIOLATION), "{self}");
            }
        }
        assert!(self.stderr().contains(message), "expected {message:?}: {self}");
        self
    }

    /// Whether the process left a core dump, as the kernel told its parent.
    #[cfg(unix)]
    #[must_use]
    pub fn dumped_core(&self) -> bool {
        std::os::unix::process::ExitStatusExt::core_dumped(&self.output.status)
    }

    /// What the process wrote to standard output, the test runner's own lines included.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What the process wrote to standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the process of {} ended with {}\n{}\n{}",
            self.test,
            self.output.status,
            self.stdout(),
            self.stderr()
        )
    }
}
