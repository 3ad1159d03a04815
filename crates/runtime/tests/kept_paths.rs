//! Every path, signature and value of the published runtime 2.0 that programs import.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::{Buffer, Ref, RefMut};
use runtime::memories::file_memory::FileMemory;
use runtime::memories::frag::{Alloc, FRAG_MIN_DISTANCE, Frag, FragConfig, FragStrategy, round_up};
use runtime::memories::noncontiguous_memory::{
    NC_CONFIGURATION, NC_DATA_SIZE, NCConfig, NonContiguousMemory,
};
use runtime::memories::ram_memory::RamMemory;
use runtime::utils::{random_fname, random_vec, xor, xor_mut};
use runtime::{Bytes, DEBUG_MSG, DeriveError, MemoryError, ZeroizeOnDrop};
use zeroize::{Zeroize, Zeroizing};

fn is_a_memory<M: LockedMemory + Zeroize + ZeroizeOnDrop + Clone + Send + Sync>() {}
fn is_plain_data<T: Bytes>() {}

#[derive(Debug, DeriveError)]
enum Derived {
    #[error("memory")]
    Memory(#[from] MemoryError),
}

#[test]
fn memories_and_buffers() {
    is_a_memory::<RamMemory>();
    is_a_memory::<FileMemory>();
    is_a_memory::<NonContiguousMemory>();
    is_plain_data::<u8>();
    is_plain_data::<[u128; 8]>();
    assert_eq!(DEBUG_MSG, "Content of Locked Memory is hidden");

    let mut buffer: Buffer<u64> = Buffer::alloc(&[1, 2, 3][..], 3);
    let borrowed: Ref<'_, u64> = buffer.borrow();
    assert_eq!((borrowed.len(), buffer.len(), buffer.size(), buffer.is_empty()), (3, 3, 24, false));
    assert!(borrowed == borrowed.clone());
    drop(borrowed);
    let mut open: RefMut<'_, u64> = buffer.borrow_mut();
    open[0] = 7;
    drop(open);
    assert_eq!(*buffer.borrow(), [7, 2, 3]);
    assert_ne!(Buffer::<u8>::random(8), Buffer::<u8>::zero(8));
    buffer.zeroize();
    assert!(buffer.is_empty());

    let ram: Result<RamMemory, MemoryError> = RamMemory::alloc(b"secret", 6);
    let file: Result<FileMemory, MemoryError> = FileMemory::alloc(b"secret", 6);
    let updated = ram.unwrap().update(Buffer::alloc(b"other", 5), 5).unwrap();
    assert_eq!(*updated.unlock().unwrap().borrow(), *b"other");
    assert_eq!(*file.unwrap().unlock().unwrap().borrow(), *b"secret");
}

#[test]
fn noncontiguous_memories_and_fragments() {
    assert_eq!((NC_DATA_SIZE, NC_CONFIGURATION, FRAG_MIN_DISTANCE), (32, NCConfig::FullRam, 0x1000));
    for config in [
        NCConfig::FullFile,
        NCConfig::FullRam,
        NCConfig::RamAndFile,
        NCConfig::FragAllocation(FragStrategy::Map),
        NCConfig::FragAllocation(FragStrategy::Direct),
        NCConfig::FragAllocation(FragStrategy::Hybrid),
    ] {
        let memory = NonContiguousMemory::alloc(&[5; NC_DATA_SIZE], NC_DATA_SIZE, config).unwrap();
        memory.refresh().unwrap();
        assert_eq!(*memory.unlock().unwrap().borrow(), [5; NC_DATA_SIZE]);
    }
    let (mut one, other) = Frag::<[u8; 32]>::alloc_default(FragStrategy::Hybrid, FRAG_MIN_DISTANCE).unwrap();
    one.set([1; 32]).unwrap();
    assert_eq!((one.get().unwrap(), other.get().unwrap(), one.is_live()), (&[1; 32], &[0; 32], true));
    Frag::dealloc(&mut one).unwrap();
    assert!(!one.is_live());
    assert!(Frag::alloc_initialized(FragStrategy::Map, 1_u32, 2).is_ok());
    fn allocates<A: Alloc<u32, Error = MemoryError>>() {
        let mut frag = A::alloc(Some(FragConfig::new(0x1000))).unwrap();
        assert_eq!(frag.get().unwrap(), &0);
        A::dealloc(&mut frag).unwrap();
        assert!(!frag.is_live());
    }
    allocates::<noncontiguous_memory::frag::DirectAlloc>();
    allocates::<noncontiguous_memory::frag::MemoryMapAlloc>();
    assert_eq!((round_up(13, 14), round_up(28, 14), round_up(5, 0)), (14, 28, 5));
}

#[test]
fn helpers_and_errors() {
    let noise: Zeroizing<Vec<u8>> = random_vec(4);
    let mut data = [0; 4];
    xor(&mut data, b"abcd", &noise, 4);
    xor_mut(&mut data, &noise, 4);
    assert_eq!(data, *b"abcd");
    assert_eq!(random_fname(12).len(), 12);
    let derived = Derived::from(MemoryError::NCSizeNotAllowed);
    assert_eq!(derived.to_string(), "memory");
    for unit in
        [MemoryError::NCSizeNotAllowed, MemoryError::ZeroSizedNotAllowed, MemoryError::IllegalZeroizedUsage]
    {
        assert!(!unit.to_string().is_empty());
    }
}
