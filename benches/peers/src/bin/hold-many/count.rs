//! Makes one secret after the other, and says how many there are and how it ends.

use crate::process::{self, PAGE, Ranges};
use std::error::Error;
use std::io::{self, Write as _};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many secrets are made between two looks at what the process takes: a look costs as much as a secret.
const LOOK_EVERY: usize = 64;

/// Where a secret lies.
pub(crate) enum Lies {
    /// As plain bytes, at this address.
    At(usize),
    /// In so many pages of its own, at addresses that the library does not tell.
    InPages(usize),
    /// As ciphertext.
    Sealed,
    /// Masked in a file, with the mask on the ordinary heap.
    OnHeap,
}

pub(crate) fn hold<S>(
    most: usize,
    make: impl Fn() -> Result<(S, Lies), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let before = process::resident()?;
    let look = |held: usize| -> Result<(), Box<dyn Error>> {
        let resident = process::resident()?.saturating_sub(before);
        Ok(writeln!(io::stdout(), "held {held} locked {} resident {resident}", process::locked()?)?)
    };
    let mut held = Vec::with_capacity(most);
    let mut places = Places::default();
    let ended = loop {
        if held.len() == most {
            break "all held".to_owned();
        }
        match catch_unwind(AssertUnwindSafe(&make)) {
            Ok(Ok((secret, lies))) => {
                held.push(secret);
                places.note(lies);
            }
            Ok(Err(error)) => break format!("error: {}", chain(&*error)),
            Err(_) => break "panic".to_owned(),
        }
        writeln!(io::stdout(), "made {}", held.len())?;
        if held.len().is_multiple_of(LOOK_EVERY) {
            look(held.len())?;
        }
    };
    look(held.len())?;
    println!("kept {}", places.kept()?);
    println!("ended {ended}");
    // Giving so many back takes longer than making them, and a library that failed may fail at that too.
    mem::forget(held);
    Ok(())
}

/// Where all the secrets of one kind lie.
#[derive(Default)]
struct Places {
    addresses: Vec<usize>,
    sealed: usize,
    pages: usize,
    pages_each: usize,
}

impl Places {
    fn note(&mut self, lies: Lies) {
        match lies {
            Lies::At(address) => self.addresses.push(address),
            Lies::InPages(each) => {
                self.pages += each;
                self.pages_each = each;
            }
            Lies::Sealed => self.sealed += 1,
            Lies::OnHeap => {}
        }
    }

    /// How many secrets can reach no swap file: in locked pages, or sealed under a key that is.
    fn kept(&self) -> Result<usize, Box<dyn Error>> {
        let locked_pages = usize::try_from(process::locked()?)? / PAGE;
        let ranges = Ranges::locked()?;
        let at_addresses = self.addresses.iter().filter(|address| ranges.contain(**address)).count();
        let in_pages = self.pages.min(locked_pages).checked_div(self.pages_each).unwrap_or(0);
        let sealed = if locked_pages > 0 { self.sealed } else { 0 };
        Ok(at_addresses + in_pages + sealed)
    }
}

/// An error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
