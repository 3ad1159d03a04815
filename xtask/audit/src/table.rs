//! The audit in a terminal.

use crate::Audit;
use crate::attack::Attacker;
use crate::stage::Stage;
use conformance::scan::Copies;

/// A table for each attacker: subjects down, stages across.
pub(crate) fn render(audit: &Audit<'_>) -> String {
    let mut text = String::new();
    for attacker in audit.attackers() {
        one(audit, attacker, &mut text);
    }
    text += "Whole copies of the secret, 32 bytes; +N: N pieces of eight bytes of it and no whole copy; ·: no such stage, or crashed before it.\n";
    for note in &audit.notes {
        text += &format!("{note}\n");
    }
    for claim in &audit.broken {
        text += &format!("BROKEN: {claim}\n");
    }
    if audit.broken.is_empty() {
        text += "Everything that this library claims holds.\n";
    }
    text
}

fn one(audit: &Audit<'_>, attacker: Attacker, text: &mut String) {
    let name = audit.finds.iter().map(|(subject, _)| subject.what.len()).max().unwrap_or(0) + 2;
    *text += &format!("{attacker}\n{:<name$}", "");
    for stage in Stage::ALL {
        *text += &format!(" {stage:>12}");
    }
    *text += "\n";
    let mut library = "";
    for (subject, finds) in &audit.finds {
        if subject.library != library {
            library = subject.library;
            *text += &format!("{library}\n");
        }
        *text += &format!("  {:<width$}", subject.what, width = name - 2);
        for stage in Stage::ALL {
            *text += &format!(" {:>12}", cell(finds.get(&(attacker, stage))));
        }
        *text += "\n";
    }
    *text += "\n";
}

/// What is found, in few characters.
pub(crate) fn cell(found: Option<&Copies>) -> String {
    match found {
        None => "·".to_owned(),
        Some(Copies { whole: 0, windows: 0 }) => "0".to_owned(),
        Some(Copies { whole: 0, windows }) => format!("+{windows}"),
        Some(Copies { whole, .. }) => whole.to_string(),
    }
}
