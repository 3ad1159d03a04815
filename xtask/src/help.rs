//! `cargo xtask help`: what there is.

use crate::{Result, no_more};
use pico_args::Arguments;
use std::io::Write as _;

pub(crate) const USAGE: &str = "\
usage: cargo xtask VERB

  ci                         formatting, clippy, every test, the memory tests once more in release, documentation
  syscalls [--check]         counts the system calls of each operation (Linux, strace)
  instructions [--check]     counts the instructions of each operation outside the kernel (valgrind)
  bench [--quick] [--check]  times each operation beside its peers; --quick within 3 minutes, and writes nothing
  bench --compare OLD NEW    times each operation in two revisions of this repository
  capacity [--check]         holds many secrets as an ordinary user under small limits (Linux, root), and lets the peers try
  audit [--check]            looks for a secret in processes that keep it, this library's and its peers' (Linux)
  disk-image [--check]       kills programs that store secrets and searches the disk for them (Linux, root)
  swap [--check]             lets programs that keep secrets run out of memory and searches the swap file (Linux, root)
  sanitize [NAME] [--check]  runs the tests under address, thread, memory, leak or memcheck, or all of them (Debian);
                             --planted only shows each the bug it must find, --install fetches what it needs
  faults [--check]           lets every system call of every memory fail, once and for good (Linux, strace); --quick one in
                             ten, within a minute, --call NAME those of one name; both write nothing
  soak [--minutes N] [--check]  uses every memory for a long time, among forks and signals (Linux); --leak WHAT must fail
  doctor [--harden]          says what of this machine endangers secrets; --harden after the process has closed itself
  mutants [CRATE] [--check]  plants faults that the tests must notice (cargo-mutants); --alive those alive so far
                             and those in code that changed since, without the ones noticed before
  coverage [--check]         counts the lines of the library that its tests reach (cargo-llvm-cov)
  drop-in                    builds and runs a program made for the published runtime against this one
  api [--check]              judges public items, compatibility, feature sets, packages, the oldest compiler, dependencies;
                             --accept writes the public items anew, --install fetches the tools it needs
  check-targets [--install]  type-checks and lints the library for the other platforms; --install fetches what Debian needs
  targets [NAME] [--check]   runs the tests on other processors (qemu) and on Windows (wine), and lints for the platforms that
                             nothing here runs (Debian); --install fetches what it needs
  kernels [--check]          runs the tests under Debian's kernel, with and without secret memory (qemu); --install as above
  models [--check]           what threads share, in every order that they can take it (loom)
  fuzz [TARGET] [--time S] [--check]
                             arbitrary input against every target, or one: operations, envelope, serde, slots, policy
                             (cargo-fuzz, nightly)
  help                       this text

syscalls, instructions, bench, capacity, disk-image and swap write what they find into docs/benchmarks.md, audit into
docs/audit, api, coverage, faults, fuzz, kernels, models, mutants, sanitize, soak and targets into docs/verification.md. With
--check they write nothing there, and end with exit code 1 where a budget is missed or a claim does not hold.";

pub(crate) fn run(args: Arguments) -> Result {
    no_more(args)?;
    Ok(writeln!(std::io::stdout(), "{USAGE}")?)
}
