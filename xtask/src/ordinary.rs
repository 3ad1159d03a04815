//! Programs run as an ordinary user with small limits, for root has none.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use xshell::{Shell, cmd};

/// Of open files.
pub(crate) const OPEN_FILES: u64 = 1024;

/// The user `nobody`.
const USER: u32 = 65534;

/// Copies a program into `directory`: it may lie where an ordinary user cannot go.
pub(crate) fn copy(sh: &Shell, program: &Path, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join("program");
    sh.copy_file(program, &copy)?;
    cmd!(sh, "chmod 755 {directory} {copy}").quiet().run()?;
    Ok(copy)
}

/// Leaves a directory to that user.
pub(crate) fn give(sh: &Shell, directory: &Path) -> Result {
    if is_root(sh)? {
        let owner = USER.to_string();
        cmd!(sh, "chown {owner} {directory}").quiet().run()?;
    }
    Ok(())
}

/// `program` under a limit of locked memory and of open files; without a core dump.
pub(crate) fn command(sh: &Shell, program: &Path, lock_limit_kib: u64) -> Result<Command> {
    let limits =
        format!("ulimit -c 0 && ulimit -l {lock_limit_kib} && ulimit -n {OPEN_FILES} && exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limits, "sh"]).arg(program).current_dir("/");
    step_down(sh, &mut command)?;
    Ok(command)
}

/// Root steps down; anyone else stays who they are.
#[cfg(unix)]
fn step_down(sh: &Shell, command: &mut Command) -> Result {
    use std::os::unix::process::CommandExt as _;
    if is_root(sh)? {
        command.uid(USER).gid(USER);
    }
    Ok(())
}

#[cfg(not(unix))]
fn step_down(_: &Shell, _: &mut Command) -> Result {
    Err(format!("there is no user {USER} and no lock limit here: it takes a Linux system").into())
}

fn is_root(sh: &Shell) -> Result<bool> {
    Ok(cmd!(sh, "id -u").quiet().read()? == "0")
}
