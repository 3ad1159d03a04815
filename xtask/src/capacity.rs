//! `cargo xtask capacity`: how many secrets an ordinary user holds, bound by limits of locked memory and open files.

use crate::{Result, hold_many, no_more, ordinary, page, table, worker};
use pico_args::Arguments;
use std::path::Path;
use xshell::Shell;

const COMMAND: &str = "cargo xtask capacity";

struct Case {
    /// The memory as the worker knows it.
    memory: &'static str,
    what: &'static str,
    secrets: u64,
    /// The most resident bytes for each secret; `None` where there is no budget.
    most_resident: Option<f64>,
}

const CASES: [Case; 4] = [
    Case { memory: "ram", what: "RamMemory", secrets: 1_000_000, most_resident: Some(128.0) },
    Case { memory: "file", what: "FileMemory", secrets: 100_000, most_resident: None },
    Case { memory: "full-ram", what: "NonContiguous FullRam", secrets: 100_000, most_resident: None },
    Case { memory: "ram-and-file", what: "NonContiguous RamAndFile", secrets: 100_000, most_resident: None },
];

const LOCK_LIMITS_KIB: [u64; 2] = [64, 8192];
const MOST_LOCKED: u64 = 64 * 1024;

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    let worker = worker::build(sh)?;
    let directory = sh.create_temp_dir()?;
    let copy = ordinary::copy(sh, &worker, directory.path())?;
    let mut missed = 0;
    let mut lines = Vec::new();
    for case in &CASES {
        for limit in LOCK_LIMITS_KIB {
            let said = hold(sh, &copy, case, limit)?;
            let resident_each = said.resident as f64 / said.secrets as f64;
            let kept = said.locked <= MOST_LOCKED
                && said.descriptors <= ordinary::OPEN_FILES
                && case.most_resident.is_none_or(|most| resident_each <= most);
            missed += usize::from(!kept);
            lines.push(vec![
                case.what.to_owned(),
                format!("{limit} KiB"),
                said.secrets.to_string(),
                said.read_back.to_string(),
                said.locked.to_string(),
                said.descriptors.to_string(),
                format!("{resident_each:.1}"),
                table::verdict(kept),
            ]);
        }
    }
    let header = [
        "memory",
        "lock limit",
        "secrets held",
        "read back",
        "bytes locked",
        "open files",
        "resident bytes each",
        "verdict",
    ];
    let text = table::render(&header, &[false, true, true, true, true, true, true], &lines);
    println!("{text}");
    println!("32 bytes each; at most {MOST_LOCKED} bytes locked, and for a RamMemory 128 resident");
    match missed {
        0 if !check => {
            let (compared, plot) = hold_many::compare(sh)?;
            println!("\n{compared}");
            page::write(sh, "capacity", COMMAND, &text)?;
            page::write(sh, "hold-many", COMMAND, &compared)?;
            page::draw("capacity", &plot)
        }
        0 => Ok(()),
        _ => Err("the secrets take more than they may".into()),
    }
}

struct Said {
    secrets: u64,
    read_back: u64,
    locked: u64,
    resident: u64,
    descriptors: u64,
}

fn hold(sh: &Shell, worker: &Path, case: &Case, limit_kib: u64) -> Result<Said> {
    let mut command = ordinary::command(sh, worker, limit_kib)?;
    let output = command.args(["capacity", case.memory, &case.secrets.to_string()]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (what, status) = (case.what, output.status);
        return Err(format!("{what} under a lock limit of {limit_kib} KiB: {status}\n{said}").into());
    }
    let said = String::from_utf8(output.stdout)?;
    let number = |name: &str| -> Result<u64> {
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or(format!("the worker does not say {name}"))?.parse()?)
    };
    Ok(Said {
        secrets: number("secrets")?,
        read_back: number("read-back")?,
        locked: number("locked")?,
        resident: number("resident")?,
        descriptors: number("descriptors")?,
    })
}
