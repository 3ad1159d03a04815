//! `cargo xtask kernels`: the tests of the library under another kernel, with and without secret memory.
//!
//! Debian's kernel for machines in clouds boots in qemu, which emulates the processor as well. Its file system is an archive of
//! the tests, linked so that they need no library, and of busybox, whose shell runs them one after another. What they say
//! comes over the serial line.

use crate::library::{self, Tests};
use crate::{Result, debian, no_more, page, table, workspace};
use pico_args::Arguments;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// Those that ask the kernel for something.
const CRATES: [&str; 6] = ["sodium", "boxed", "sealing", "ram-memory", "file-memory", "noncontiguous-memory"];

/// Beside them the kernel and busybox are fetched, but not installed.
const PACKAGES: [&str; 3] = ["qemu-system-x86", "cpio", "gcc"];

const KERNEL: &str = "linux-image-cloud-amd64";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// For each boot: some minutes are usual.
const SECONDS: &str = "3000";

/// What the last test is followed by.
const END: &str = "all tests were run";

/// Whether the kernel grants secret memory, as its command line says it. Kernels before 6.5 grant it only so.
const CASES: [(&str, &str); 2] = [("secretmem.enable=1", GRANTED), ("secretmem.enable=0", "not granted")];

const GRANTED: &str = "granted";

/// What a test says that is about secret memory and gets none.
const NO_SECRET_MEMORY: &str = "the kernel grants no secret memory";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let install = args.contains("--install");
    no_more(args)?;
    if install {
        debian::install_alone(sh, &PACKAGES)?;
    }
    let directory = workspace::target_directory(sh)?.join("kernels");
    let debian = directory.join("debian");
    fetch(sh, &debian)?;
    let kernel = the_kernel(&debian)?;
    let archive = archive(sh, &directory, &debian, &tests(sh, &directory)?)?;
    let (mut rows, mut lacking, mut all_kept) = (Vec::new(), Vec::new(), true);
    for (option, what) in CASES {
        let said = boot(sh, &kernel, &archive, option)?;
        let tests = Tests::of(&said);
        tests.failed.iter().for_each(|test| println!("{option}: {test}"));
        let is_granted = !tests.lacking.iter().any(|(_, why)| why == NO_SECRET_MEMORY);
        let is_as_asked = is_granted == (what == GRANTED);
        let kept = tests.are_good() && said.contains(END) && is_as_asked;
        all_kept &= kept;
        for (test, why) in &tests.lacking {
            lacking.push(format!("* {option}, {why}: `{test}`\n"));
        }
        rows.push(vec![
            format!("Debian {}", version(&said)),
            what.to_owned(),
            CRATES.len().to_string(),
            tests.shown().to_string(),
            tests.lacking.len().to_string(),
            tests.failed.len().to_string(),
            table::verdict(kept),
        ]);
    }
    let header = ["kernel", "secret memory", "crates", "shown", "lacking", "failed", "verdict"];
    let mut text = table::render(&header, &[false, false, true, true, true, true], &rows);
    if !lacking.is_empty() {
        lacking.sort();
        text += &format!("\nLacking:\n\n{}", lacking.concat());
    }
    println!("{text}");
    if !check {
        page::record(sh, "kernels", "cargo xtask kernels", &text)?;
    }
    if all_kept { Ok(()) } else { Err(format!("see the logs in {}", directory.display()).into()) }
}

/// The kernel and busybox, unpacked below `debian`. Once there, they are not fetched again.
fn fetch(sh: &Shell, debian: &Path) -> Result {
    if the_kernel(debian).is_ok() && busybox(debian).exists() {
        return Ok(());
    }
    sh.create_dir(debian)?;
    let _there = sh.push_dir(debian);
    let depends = cmd!(sh, "apt-cache depends --important {KERNEL}").read()?;
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = kernel.ok_or(format!("{KERNEL} names no kernel"))?.to_owned();
    cmd!(sh, "apt-get download {kernel} busybox-static").run()?;
    for file in sh.read_dir(debian)? {
        if file.extension().is_some_and(|extension| extension == "deb") {
            cmd!(sh, "dpkg -x {file} {debian}").run()?;
        }
    }
    Ok(())
}

fn the_kernel(debian: &Path) -> Result<PathBuf> {
    for file in fs::read_dir(debian.join("boot"))? {
        let path = file?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")) {
            return Ok(path);
        }
    }
    Err("the package holds no kernel".into())
}

fn busybox(debian: &Path) -> PathBuf {
    debian.join("bin/busybox")
}

/// The tests of [`CRATES`] as programs that need no library. The emulator is slow, so they are optimised.
fn tests(sh: &Shell, directory: &Path) -> Result<Vec<PathBuf>> {
    let crates = library::packages(&CRATES);
    let messages = cmd!(
        sh,
        "cargo test --no-run --lib --tests {crates...} --target {TARGET} --target-dir {directory} --message-format=json-render-diagnostics"
    )
    .env("RUSTFLAGS", "-Ctarget-feature=+crt-static -Cstrip=debuginfo")
    .env("CARGO_PROFILE_DEV_DEBUG", "0")
    .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
    .read()?;
    let programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["profile"]["test"].as_bool().filter(|is_test| *is_test)?;
        message["executable"].as_str().map(PathBuf::from)
    });
    let programs: Vec<_> = programs.collect();
    if programs.is_empty() { Err("cargo names no tests".into()) } else { Ok(programs) }
}

/// The archive that the kernel takes as its file system.
fn archive(sh: &Shell, directory: &Path, debian: &Path, tests: &[PathBuf]) -> Result<PathBuf> {
    let root = directory.join("root");
    sh.remove_path(&root)?;
    for name in ["bin", "dev", "proc", "sys", "tests", "tmp"] {
        sh.create_dir(root.join(name))?;
    }
    sh.copy_file(busybox(debian), root.join("bin/busybox"))?;
    for test in tests {
        sh.copy_file(test, root.join("tests"))?;
    }
    let init = root.join("init");
    let variables = library::EMULATED.map(|(name, value)| format!("{name}={value}")).join(" ");
    sh.write_file(&init, INIT.replace("VARIABLES", &variables))?;
    // Tests run as ordinary users, too.
    cmd!(sh, "chmod -R a+rX,u+x {root}").run()?;
    cmd!(sh, "chmod a+x {init}").run()?;
    let archive = directory.join("root.cpio");
    let _there = sh.push_dir(&root);
    let names = cmd!(sh, "find .").read()?;
    cmd!(sh, "cpio --quiet --create --format=newc --owner=0:0 --file={archive}").stdin(names).run()?;
    Ok(archive)
}

/// The first program. A test that hangs is killed, and its end is missing then.
const INIT: &str = "\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin VARIABLES
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
ulimit -l 8192
echo \"kernel $(uname -r)\"
cat /proc/version
for test in /tests/*; do
    echo \"program $test\"
    timeout -s KILL 900 $test --show-output 2>&1
done
echo 'all tests were run'
poweroff -f
";

/// What comes over the serial line until the machine is off, which can be read meanwhile in a file beside the archive.
fn boot(sh: &Shell, kernel: &Path, archive: &Path, option: &str) -> Result<String> {
    // What the kernel says of programs that fault on purpose would break the lines of the tests.
    let line = format!("console=ttyS0 loglevel=0 panic=-1 {option}");
    let machine = ["-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none", "-no-reboot"];
    let said = archive.with_file_name(format!("{option}.log"));
    let serial = format!("file:{}", said.display());
    cmd!(
        sh,
        "timeout -s KILL {SECONDS} qemu-system-x86_64 {machine...} -serial {serial} -kernel {kernel} -initrd {archive} -append {line}"
    )
    .ignore_status()
    .run()?;
    Ok(String::from_utf8_lossy(&fs::read(said)?).replace('\r', ""))
}

/// As Debian counts it.
fn version(said: &str) -> &str {
    let line = said.lines().find(|line| line.starts_with("Linux version")).unwrap_or_default();
    line.split_once(" Debian ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_packages() {
        let said = "kernel 6.1.0\nLinux version 6.1.0-56 (debian-kernel@x) (gcc) #1 SMP Debian 6.1.192-2 (2026-01-01)\n";
        assert_eq!(version(said), "6.1.192-2");
        assert_eq!(version("nothing"), "?");
    }
}
