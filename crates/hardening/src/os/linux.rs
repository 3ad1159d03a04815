//! Linux and Android.

use crate::{Check, Outcome, Topic};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit, set_dumpable_behavior};
use rustix::thread::CapabilitySet;
use std::fs;
use std::io;

pub(crate) use super::posix::{forbid_core_dumps, kernel};

/// `PR_SET_DUMPABLE`, see `prctl(2)` and "Ptrace access mode checking" in `ptrace(2)`.
pub(crate) fn forbid_debuggers() -> Outcome {
    if !is_dumpable() {
        return Outcome::AlreadySo;
    }
    match set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        Ok(()) if is_dumpable() => Outcome::Refused(io::ErrorKind::Unsupported.into()),
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused(error.into()),
    }
}

fn is_dumpable() -> bool {
    dumpable_behavior() != Ok(DumpableBehavior::NotDumpable)
}

/// Whether this process may lock more than its limit: `CAP_IPC_LOCK`, see `capabilities(7)`.
pub(crate) fn exceeds_lock_limit() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}

pub(crate) fn examine() -> Vec<Check> {
    let dumpable = is_dumpable();
    let mut checks = vec![
        swap(read("/proc/swaps").as_deref(), outlives_power),
        core_dump(
            read("/proc/sys/kernel/core_pattern").as_deref(),
            getrlimit(Resource::Core).current,
            dumpable,
        ),
        debugger(
            read("/proc/self/status").as_deref(),
            read("/proc/sys/kernel/yama/ptrace_scope").as_deref(),
            dumpable,
        ),
    ];
    // What is missing there is missing from the kernel, unless all of it is out of sight.
    if fs::exists("/sys/kernel").unwrap_or(false) {
        checks
            .push(merging(read("/sys/kernel/mm/ksm/run").as_deref(), read("/proc/self/ksm_stat").as_deref()));
        checks.push(hibernation(read("/sys/power/disk").as_deref()));
    }
    checks
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Whether what is swapped to `device` can be read after the machine has lost its power.
fn outlives_power(device: &str) -> bool {
    let name = device.trim_start_matches("/dev/");
    let is_encrypted =
        || read(&format!("/sys/class/block/{name}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-"));
    !name.starts_with("zram") && !is_encrypted()
}

/// `swaps` is the text of `/proc/swaps`: a line of headings, then one for each device or file.
fn swap(swaps: Option<&str>, outlives_power: impl Fn(&str) -> bool) -> Check {
    let Some(swaps) = swaps else { return Check::unknown(Topic::Swap) };
    let devices: Vec<&str> =
        swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let state = if devices.is_empty() { "off".to_owned() } else { devices.join(", ") };
    let advice =
        "turn it off (`swapoff --all`) or encrypt it: what programs copy out of guarded pages ends up there";
    Check::new(Topic::Swap, state, devices.into_iter().any(outlives_power).then_some(advice))
}

/// `limit` is that of core dumps, in bytes.
fn core_dump(pattern: Option<&str>, limit: Option<u64>, dumpable: bool) -> Check {
    let topic = Topic::CoreDump;
    let advice = "call `harden_process()`: dumps lack guarded pages, not what was copied out of them";
    if !dumpable {
        return Check::new(topic, "none: this process is not dumpable".to_owned(), None);
    }
    match (pattern, limit) {
        (None, _) => Check::unknown(topic),
        (Some(pattern), _) if pattern.starts_with('|') => {
            Check::new(topic, format!("handed to {}", pattern.trim_start_matches('|')), Some(advice))
        }
        (Some(_), Some(0)) => Check::new(topic, "none: limited to 0 bytes".to_owned(), None),
        (Some(pattern), Some(limit)) => {
            Check::new(topic, format!("up to {limit} bytes, to a file {pattern}"), Some(advice))
        }
        (Some(pattern), None) => Check::new(topic, format!("whole, to a file {pattern}"), Some(advice)),
    }
}

/// `status` is the text of `/proc/self/status`, `scope` that of Yama's `ptrace_scope`, which kernels without Yama lack.
fn debugger(status: Option<&str>, scope: Option<&str>, dumpable: bool) -> Check {
    let topic = Topic::Debugger;
    let tracer = status.and_then(|status| status.lines().find_map(|line| line.strip_prefix("TracerPid:")));
    match (tracer.map(str::trim), scope.unwrap_or("0")) {
        (None, _) => Check::unknown(topic),
        (Some(tracer), _) if tracer != "0" => {
            let advice = "find out who that is: a debugger sees all that the program sees";
            Check::new(topic, format!("process {tracer} is attached"), Some(advice))
        }
        _ if !dumpable => Check::new(topic, "root alone: this process is not dumpable".to_owned(), None),
        (_, "0") => {
            let advice = "call `harden_process()`, or set `kernel.yama.ptrace_scope` to 1 or more";
            Check::new(topic, "any process of the same user".to_owned(), Some(advice))
        }
        (_, "1") => Check::new(topic, "parents and root".to_owned(), None),
        (_, "2") => Check::new(topic, "root alone".to_owned(), None),
        (_, _) => Check::new(topic, "no one".to_owned(), None),
    }
}

/// `run` is the switch of same-page merging, `own` the text of `/proc/self/ksm_stat`, which older kernels lack.
fn merging(run: Option<&str>, own: Option<&str>) -> Check {
    let topic = Topic::Merging;
    let is_merged =
        own.is_some_and(|own| own.lines().any(|line| line.split_whitespace().eq(["ksm_merge_any:", "yes"])));
    let advice =
        "start the program without `PR_SET_MEMORY_MERGE`: the time a write takes tells what others hold";
    match run {
        Some("1") if is_merged => Check::new(topic, "on, for this process too".to_owned(), Some(advice)),
        Some("1") => Check::new(topic, "on, not for this process".to_owned(), None),
        // A kernel without it merges nothing.
        _ => Check::new(topic, "off".to_owned(), None),
    }
}

/// `modes` is the text of `/sys/power/disk`, which a kernel without hibernation lacks.
fn hibernation(modes: Option<&str>) -> Check {
    let topic = Topic::Hibernation;
    let advice =
        "forbid it (`nohibernate` on the kernel's command line) or encrypt swap: it writes locked pages too";
    match modes {
        None => Check::new(topic, "not possible".to_owned(), None),
        Some(modes) if modes.contains("[disabled]") => Check::new(topic, "not possible now".to_owned(), None),
        Some(_) => Check::new(topic, "possible".to_owned(), Some(advice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn is_weak(check: &Check) -> bool {
        matches!(check.verdict, Verdict::Weak { .. })
    }

    #[test]
    fn swap_is_weak_where_it_outlives_power() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let devices = format!("{heading}/dev/zram0 partition 1 0 -1\n/dev/sda2 partition 1 0 -2");
        let outlives_power = |device: &str| device == "/dev/sda2";
        assert!(is_weak(&swap(Some(&devices), outlives_power)));
        assert_eq!(swap(Some(&devices), outlives_power).state, "/dev/zram0, /dev/sda2");
        assert!(!is_weak(&swap(Some(&devices), |_| false)));
        assert_eq!(swap(Some(heading.trim()), |_| true), Check::new(Topic::Swap, "off".to_owned(), None));
        assert_eq!(swap(None, |_| true), Check::unknown(Topic::Swap));
    }

    #[test]
    fn swap_in_ram_does_not_outlive_power() {
        assert!(!outlives_power("/dev/zram0"));
        assert!(outlives_power("/swapfile"));
    }

    #[test]
    fn a_core_dump_is_weak_unless_something_prevents_it() {
        assert!(is_weak(&core_dump(Some("core"), None, true)));
        assert!(is_weak(&core_dump(Some("core.%p"), Some(1), true)));
        assert!(!is_weak(&core_dump(Some("core"), Some(0), true)));
        assert!(!is_weak(&core_dump(Some("core"), None, false)));
        // The limit does not bind a pipe.
        let piped = core_dump(Some("|/usr/lib/systemd/systemd-coredump %P"), Some(0), true);
        assert!(is_weak(&piped));
        assert_eq!(piped.state, "handed to /usr/lib/systemd/systemd-coredump %P");
        assert_eq!(core_dump(None, Some(0), true), Check::unknown(Topic::CoreDump));
    }

    #[test]
    fn a_debugger_is_weak_where_it_is_attached_or_may_attach() {
        let free = Some("Name:\tx\nTracerPid:\t0\n");
        assert!(is_weak(&debugger(free, None, true)));
        assert!(is_weak(&debugger(free, Some("0"), true)));
        for scope in ["1", "2", "3"] {
            assert!(!is_weak(&debugger(free, Some(scope), true)));
        }
        assert!(!is_weak(&debugger(free, Some("0"), false)));
        let attached = debugger(Some("TracerPid:\t77\n"), Some("3"), false);
        assert!(is_weak(&attached));
        assert_eq!(attached.state, "process 77 is attached");
        assert_eq!(debugger(None, None, true), Check::unknown(Topic::Debugger));
    }

    #[test]
    fn merging_is_weak_where_it_is_on_for_the_whole_process() {
        assert!(is_weak(&merging(Some("1"), Some("ksm_rmap_items 0\nksm_merge_any: yes"))));
        assert!(!is_weak(&merging(Some("1"), Some("ksm_merge_any: no"))));
        assert!(!is_weak(&merging(Some("0"), Some("ksm_merge_any: yes"))));
        assert!(!is_weak(&merging(None, None)));
    }

    #[test]
    fn hibernation_is_weak_where_it_is_possible() {
        assert!(is_weak(&hibernation(Some("[platform] shutdown reboot"))));
        assert!(!is_weak(&hibernation(Some("[disabled]"))));
        assert!(!is_weak(&hibernation(None)));
    }
}
