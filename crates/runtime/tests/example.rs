//! The examples: the main job, which a newcomer runs first, how it ends where it cannot be done, and the doctor.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::child::{Conditions, under};
use conformance::grants::Grant;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

const KINDS: [&str; 10] = [
    "ram",
    "guarded",
    "file",
    "noncontiguous",
    "noncontiguous:full-ram",
    "noncontiguous:full-file",
    "noncontiguous:ram-and-file",
    "noncontiguous:frag-map",
    "noncontiguous:frag-direct",
    "noncontiguous:frag-hybrid",
];

/// An example as `cargo test` built it, beside this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

fn keep(conditions: Conditions, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = under(conditions, &example("keep"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A process that ends without reading closes the pipe.
    drop(process.stdin.take().unwrap().write_all(input));
    process.wait_with_output().unwrap()
}

fn succeeds(arguments: &[&str], input: &[u8]) -> String {
    let output = keep(Conditions::default(), arguments, input);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(conditions: Conditions, arguments: &[&str], input: &[u8], message: &str) {
    let output = keep(conditions, arguments, input);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(message) && !errors.contains("panicked"), "{errors}");
}

/// The tags under the secret, its clone and its replacement.
fn tags(text: &str) -> [&str; 3] {
    ["under the secret", "under its clone", "under its replacement"]
        .map(|label| text.split_once(label).unwrap().1.split_whitespace().next().unwrap())
}

#[test]
fn a_passphrase_authenticates_a_message() {
    let text = succeeds(&["-", "a message"], b"correct horse battery staple");
    let [tag, of_clone, of_replacement] = tags(&text);
    // python3 -c "import hashlib; print(hashlib.blake2b(b'a message', key=b'correct horse battery staple', digest_size=32).hexdigest())"
    assert_eq!(tag, "873f94e56d6decf3b2bc439f4f5551d1fa84a871ef6b1674640d946f561d5c08");
    assert_eq!(tag, of_clone);
    assert_ne!(tag, of_replacement);
    for part in ["28 bytes of secret", "ciphertext", "no access", "readable now", "locked memory:"] {
        assert!(text.contains(part), "{text}");
    }
    // Where the system does not heed what it is asked for, the example says so.
    let heeded = Grant::Advice.is_there();
    assert_eq!([text.contains("NO"), text.contains("THE SECRET")], [!heeded; 2], "{text}");
}

#[test]
fn a_file_of_any_bytes_is_kept_in_every_memory() {
    let file = std::env::temp_dir().join(format!("stronghold-example-{}", std::process::id()));
    for size in [1, 15, 65, 5000, 300_000] {
        std::fs::write(&file, conformance::laws::payload(size, 3)).unwrap();
        let path = file.to_str().unwrap();
        let texts = KINDS.map(|kind| succeeds(&["--memory", kind, path, "a message"], b""));
        for text in &texts {
            assert_eq!(tags(text)[..2], tags(&texts[0])[..2]);
        }
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn what_cannot_be_done_is_a_clear_message_and_exit_code_1() {
    let here = Conditions::default();
    fails(here, &[], b"", "usage: keep");
    fails(here, &["-"], b"secret", "usage: keep");
    fails(here, &["--memory", "cloud", "-", "message"], b"secret", "there is no memory \"cloud\"");
    fails(here, &["-", "message"], b"", "at least one byte");
    fails(here, &["/no/such/file", "message"], b"", "cannot open /no/such/file: No such file");
    fails(here, &["/", "message"], b"", "cannot read a secret: Is a directory");
    fails(here, &["-", "message"], &vec![7; (16 << 20) + 1], "longer than 16777216 bytes");
    let nothing_to_lock = Conditions { lock_limit_kib: Some(0), ordinary_user: true };
    fails(nothing_to_lock, &["-", "message"], b"secret", "ulimit -l");
}

#[test]
fn the_doctor_gives_one_line_for_each_topic_and_sees_its_own_hardening() {
    let run = |arguments: &[&str]| {
        let output = under(Conditions::default(), &example("doctor")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[]);
    assert_eq!((code, text.lines().count()), (Some(0), 9), "{text}");
    let (code, text) = run(&["--harden"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no debugger of the same user: done"), "{text}");
    assert!(text.contains("core dump        none: this process is not dumpable"), "{text}");
    assert_eq!(run(&["--help-me"]), (Some(1), String::new()));
}
