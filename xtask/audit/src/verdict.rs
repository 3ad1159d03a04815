//! What is claimed, against what was found.

use crate::attack::{Attacker, Finds};
use crate::holder::SECRET_BYTES;
use crate::stage::Stage;
use crate::subjects::{Claim, Subject};
use conformance::scan::Copies;

/// Pieces of eight bytes in one whole copy.
const PIECES: usize = SECRET_BYTES - 8 + 1;

/// A sentence for each claim on `subject` that does not hold.
pub(crate) fn broken(subject: &Subject, finds: &Finds) -> Vec<String> {
    let has_buffer = finds.keys().any(|(_, stage)| *stage == Stage::BufferHeld);
    let mut broken = Vec::new();
    for (&(attacker, stage), &found) in finds {
        if !holds(subject.claim, attacker, stage, has_buffer, found) {
            broken.push(format!(
                "{}, {}, {stage}, {attacker}: {} copies and {} pieces",
                subject.library, subject.what, found.whole, found.windows
            ));
        }
    }
    broken
}

fn holds(claim: Claim, attacker: Attacker, stage: Stage, has_buffer: bool, found: Copies) -> bool {
    let whole = match (claim, attacker) {
        (Claim::None, _) => return true,
        // The search itself: what is there must be found, and is there until it is dropped.
        (Claim::Control, Attacker::Files) => return true,
        (Claim::Control, _) => return stage == Stage::Dropped || found.whole > 0,
        (Claim::Ordinary(clear), Attacker::Debugger) => clear.copies(stage, has_buffer),
        (Claim::Secret | Claim::Ordinary(_), _) => 0,
    };
    found == Copies { whole, windows: whole * PIECES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::Clear;

    const NOTHING: Copies = Copies { whole: 0, windows: 0 };
    const ONE: Copies = Copies { whole: 1, windows: PIECES };

    #[test]
    fn a_piece_too_many_breaks_a_claim() {
        let sealed = Claim::Ordinary(Clear::WhileUnlocked);
        let holds = |stage, found| holds(sealed, Attacker::Debugger, stage, true, found);
        assert!(holds(Stage::AtRest, NOTHING) && !holds(Stage::AtRest, Copies { whole: 0, windows: 1 }));
        assert!(holds(Stage::Borrowed, ONE) && !holds(Stage::Borrowed, NOTHING));
        assert!(!holds(Stage::Borrowed, Copies { whole: 1, windows: PIECES + 1 }));
    }

    #[test]
    fn a_core_dump_holds_nothing_of_either_backing() {
        for claim in [Claim::Secret, Claim::Ordinary(Clear::Always)] {
            assert!(holds(claim, Attacker::CoreDump, Stage::Borrowed, true, NOTHING));
            assert!(!holds(claim, Attacker::CoreDump, Stage::Borrowed, true, ONE));
        }
    }

    #[test]
    fn a_control_that_is_not_found_is_broken() {
        let holds = |stage, found| holds(Claim::Control, Attacker::ForkedChild, stage, false, found);
        assert!(holds(Stage::AtRest, ONE) && !holds(Stage::AtRest, NOTHING));
        assert!(holds(Stage::Dropped, NOTHING));
    }

    #[test]
    fn clear_copies_are_those_of_the_page_and_of_the_buffer() {
        assert_eq!(Clear::Always.copies(Stage::Borrowed, true), 2);
        assert_eq!(Clear::Always.copies(Stage::Borrowed, false), 1);
        assert_eq!(Clear::Always.copies(Stage::Cloned, true), 2);
        assert_eq!(Clear::Always.copies(Stage::Dropped, true), 0);
        assert_eq!(Clear::WhileUnlocked.copies(Stage::Cloned, true), 0);
    }
}
