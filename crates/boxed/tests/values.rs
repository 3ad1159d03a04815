//! What values in guarded pages tell of themselves: where they lie, how they are kept, whether they are equal, and never
//! what they are.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use boxed::{
    Boxed, DEBUG_MSG, Error, Fragment, Origin, PerProcess, Prot, Protection, Scratch, Spot, Twin, Vacant,
};

fn anywhere() -> Spot {
    Spot::new(Origin::Allocated)
}

#[test]
fn nothing_prints_what_it_holds() {
    let mut values = Boxed::<u8>::new(4, |bytes| bytes.fill(77)).unwrap();
    let shown = [
        format!("{values:?}"),
        format!("{:?}", values.read().unwrap()),
        format!("{:?}", values.write().unwrap()),
        format!("{:?}", Scratch::<u8>::new(4).unwrap()),
        format!("{:?}", Fragment::new([77_u8; 4], &anywhere()).unwrap()),
        format!("{:?}", Twin::new(&[77; 4], &[77; 4]).unwrap()),
    ];
    assert_eq!(shown, [DEBUG_MSG; 6]);
    assert_eq!(format!("{:?}", Vacant::<u8>::new(&anywhere()).unwrap()), "Vacant");
    static OWN: PerProcess<u8> = PerProcess::new();
    assert_eq!(OWN.get(), None);
    assert_eq!(OWN.get_or_try_init(|| Err("the first try fails")), Err("the first try fails"));
    assert_eq!(OWN.get_or_try_init(|| Ok::<_, ()>(77)), Ok(&77));
    assert_eq!(OWN.get_or_try_init(|| Ok::<_, ()>(78)), Ok(&77), "made once");
    assert_eq!(OWN.get(), Some(&77));
    assert_eq!(format!("{OWN:?}"), "PerProcess");
}

/// The address space of 32-bit systems has room for more.
#[test]
fn no_value_is_longer_than_a_slice_may_be() {
    let longest = isize::MAX as usize;
    for len in [longest - 2 * boxed::page_size(), longest, longest + 1, usize::MAX] {
        assert!(matches!(Scratch::<u8>::new(len), Err(Error::TooLarge { element_bytes: 1, .. })));
        assert!(matches!(Scratch::<u8>::at(&anywhere(), len), Err(Error::TooLarge { .. })));
        assert!(matches!(Boxed::<u8>::random(len), Err(Error::TooLarge { .. })));
        assert!(matches!(Scratch::<u64>::new(len / 8 + 1), Err(Error::TooLarge { .. })));
    }
}

#[test]
fn values_open_for_reading_and_writing_are_compared() {
    let make = |bytes: &[u8]| Boxed::<u8>::new(bytes.len(), |page| page.copy_from_slice(bytes)).unwrap();
    let (mut abc, mut same, mut other, longer) = (make(b"abc"), make(b"abc"), make(b"abd"), make(b"abcd"));
    assert!(abc.read().unwrap() == same.read().unwrap());
    assert!(abc.read().unwrap() != other.read().unwrap());
    assert!(abc.read().unwrap() != longer.read().unwrap());
    assert!(longer.read().unwrap() != abc.read().unwrap());
    assert!(abc.read().unwrap() == same.write().unwrap());
    assert!(abc.read().unwrap() != other.write().unwrap());
    assert!(abc.write().unwrap() == same.read().unwrap());
    assert!(abc.write().unwrap() != other.read().unwrap());
    assert!(abc.write().unwrap() == same.write().unwrap());
    assert!(abc.write().unwrap() != other.write().unwrap());
}

#[test]
fn a_cloned_guard_keeps_the_values_readable() {
    let values = Boxed::<u8>::new(3, |bytes| bytes.fill(7)).unwrap();
    let first = values.read().unwrap();
    let second = first.clone();
    drop(first);
    assert_eq!(values.prot(), Prot::ReadOnly);
    assert_eq!(*second, [7; 3]);
    drop(second);
    assert_eq!(values.prot(), Prot::NoAccess);
}

#[test]
#[cfg(unix)]
fn the_size_of_a_page_is_the_systems() {
    assert_eq!(boxed::page_size(), rustix::param::page_size());
}

#[test]
fn sizes_are_in_bytes_and_lengths_in_values() {
    let values = Boxed::<u32>::random(5).unwrap();
    assert_eq!((values.len(), values.size()), (5, 20));
    assert_eq!(values.span(), values.address()..values.address() + 20);
    assert_eq!(values.read().unwrap().as_ptr().addr(), values.address());
    let clone = values.try_clone().unwrap();
    assert!(clone.read().unwrap() == values.read().unwrap());
    assert_ne!(clone.address(), values.address());
    let fragment = Fragment::new([1_u32; 5], &anywhere()).unwrap();
    assert_eq!(fragment.span().len(), 20);
    assert_eq!(fragment.span().start, std::ptr::from_ref(fragment.get().unwrap()).addr());
}

#[test]
fn the_report_on_ciphertext_promises_nothing_of_its_memory() {
    let report = Protection::of_ciphertext();
    assert!(report.sealed);
    assert!(!report.locked && !report.no_dump && !report.secret_memory && !report.guard_pages);
    assert_eq!(report.at_rest, Prot::ReadWrite);
    assert_eq!(report.on_fork, boxed::ForkBehaviour::Inherited);
}

#[test]
fn an_open_fragment_and_a_closed_box_report_their_access() {
    assert_eq!(Boxed::<u8>::random(1).unwrap().protection().at_rest, Prot::NoAccess);
    assert_eq!(Fragment::new(1_u8, &anywhere()).unwrap().protection().at_rest, Prot::ReadWrite);
}
