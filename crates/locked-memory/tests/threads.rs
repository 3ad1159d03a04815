//! Many threads on one `Buffer`.
#![forbid(unsafe_code)]

use boxed::Prot;
use locked_memory::Buffer;

const BORROWS: usize = 200_000;

#[test]
fn four_threads_borrow_one_buffer_while_others_clone_compare_and_drop() {
    let bytes: Vec<u8> = (1..=64).collect();
    let buffer = Buffer::alloc(&bytes, bytes.len());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..BORROWS {
                    let borrowed = buffer.borrow();
                    assert_eq!((borrowed[0], borrowed[63]), (1, 64));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..BORROWS / 100 {
                    let clone = buffer.clone();
                    assert_eq!(clone, buffer);
                    let (first, second) = (buffer.borrow(), clone.borrow());
                    assert_eq!(first.clone(), second);
                }
            });
        }
    });
    assert_eq!(*buffer.borrow(), *bytes);
    assert_eq!(buffer.prot(), Prot::NoAccess);
}
