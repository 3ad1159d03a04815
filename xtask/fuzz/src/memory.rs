//! Every kind of memory behind one type, and payloads of telling lengths.

use arbitrary::Arbitrary;
use file_memory::FileMemory;
use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::Buffer;
use runtime::memories::frag::FragStrategy;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;
use runtime::{MemoryError, Protection};
use std::sync::OnceLock;
use tempfile::TempDir;
use zeroize::Zeroize;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Kind {
    Buffer,
    Sealed,
    Guarded,
    File,
    FileIn,
    FullRam,
    FullFile,
    RamAndFile,
    Map,
    Direct,
    Hybrid,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Buffer,
        Self::Sealed,
        Self::Guarded,
        Self::File,
        Self::FileIn,
        Self::FullRam,
        Self::FullFile,
        Self::RamAndFile,
        Self::Map,
        Self::Direct,
        Self::Hybrid,
    ];
}

pub enum Memory {
    Buffer(Buffer<u8>),
    Ram(RamMemory),
    File(FileMemory),
    Shards(NonContiguousMemory),
}

/// A directory of this process alone, for the memories that are told theirs.
pub fn directory() -> &'static TempDir {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap())
}

impl Memory {
    pub fn new(kind: Kind, payload: &[u8]) -> Result<Self, MemoryError> {
        let size = payload.len();
        let shards = |config| NonContiguousMemory::alloc(payload, size, config).map(Self::Shards);
        match kind {
            Kind::Buffer => Buffer::try_alloc(payload, size).map(Self::Buffer),
            Kind::Sealed => RamMemory::alloc(payload, size).map(Self::Ram),
            Kind::Guarded => RamMemory::guarded(payload).map(Self::Ram),
            Kind::File => FileMemory::alloc(payload, size).map(Self::File),
            Kind::FileIn => FileMemory::alloc_in(directory().path(), payload).map(Self::File),
            Kind::FullRam => shards(NCConfig::FullRam),
            Kind::FullFile => shards(NCConfig::FullFile),
            Kind::RamAndFile => shards(NCConfig::RamAndFile),
            Kind::Map => shards(NCConfig::FragAllocation(FragStrategy::Map)),
            Kind::Direct => shards(NCConfig::FragAllocation(FragStrategy::Direct)),
            Kind::Hybrid => shards(NCConfig::FragAllocation(FragStrategy::Hybrid)),
        }
    }

    pub fn unlock(&self) -> Result<Buffer<u8>, MemoryError> {
        match self {
            Self::Buffer(buffer) if buffer.is_empty() => Err(MemoryError::IllegalZeroizedUsage),
            Self::Buffer(buffer) => buffer.try_clone(),
            Self::Ram(memory) => memory.unlock(),
            Self::File(memory) => memory.unlock(),
            Self::Shards(memory) => memory.unlock(),
        }
    }

    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        match self {
            Self::Buffer(buffer) => buffer.try_borrow().map(|bytes| f(&bytes)),
            Self::Ram(memory) => memory.with(f),
            Self::File(memory) => memory.with(f),
            Self::Shards(memory) => memory.with(f),
        }
    }

    pub fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError> {
        match self {
            Self::Buffer(buffer) => {
                if buffer.len() == payload.len() {
                    buffer.try_borrow_mut()?.copy_from_slice(&payload.try_borrow()?);
                } else if buffer.is_empty() {
                    return Err(MemoryError::IllegalZeroizedUsage);
                } else {
                    *buffer = payload;
                }
                Ok(())
            }
            Self::Ram(memory) => memory.replace(payload),
            Self::File(memory) => memory.replace(payload),
            Self::Shards(memory) => memory.replace(payload),
        }
    }

    pub fn update(self, payload: Buffer<u8>, size: usize) -> Result<Self, MemoryError> {
        match self {
            Self::Buffer(_) if payload.len() != size => {
                Err(MemoryError::SizeMismatch { stated: size, actual: payload.len() })
            }
            Self::Buffer(buffer) if buffer.is_empty() => Err(MemoryError::IllegalZeroizedUsage),
            Self::Buffer(_) => Ok(Self::Buffer(payload)),
            Self::Ram(memory) => memory.update(payload, size).map(Self::Ram),
            Self::File(memory) => memory.update(payload, size).map(Self::File),
            Self::Shards(memory) => memory.update(payload, size).map(Self::Shards),
        }
    }

    /// Replaces the shards, where there are any.
    pub fn refresh(&self) -> Result<(), MemoryError> {
        match self {
            Self::Shards(memory) => memory.refresh(),
            _ => self.with(|_| ()),
        }
    }

    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        match self {
            Self::Buffer(buffer) if buffer.is_empty() => Err(MemoryError::IllegalZeroizedUsage),
            Self::Buffer(buffer) => buffer.try_clone().map(Self::Buffer),
            Self::Ram(memory) => memory.try_clone().map(Self::Ram),
            Self::File(memory) => memory.try_clone().map(Self::File),
            Self::Shards(memory) => memory.try_clone().map(Self::Shards),
        }
    }

    pub fn zeroize(&mut self) {
        match self {
            Self::Buffer(buffer) => buffer.zeroize(),
            Self::Ram(memory) => memory.zeroize(),
            Self::File(memory) => memory.zeroize(),
            Self::Shards(memory) => memory.zeroize(),
        }
    }

    pub fn protection(&self) -> Option<Protection> {
        match self {
            Self::Buffer(buffer) => buffer.protection(),
            Self::Ram(memory) => memory.protection(),
            Self::File(memory) => memory.protection(),
            Self::Shards(memory) => memory.protection(),
        }
    }
}

/// Bytes of one length, short to write down and different from others.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Payload {
    length: u16,
    seed: u8,
}

impl Payload {
    /// Short ones mostly; around a page; a few pages; many.
    fn length(self) -> usize {
        let length = usize::from(self.length);
        match length >> 13 {
            0..=3 => length % 300,
            4 => 4096 - 80 + length % 128,
            5..=6 => length % 13_000,
            _ => length,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        let at = |at: usize| self.seed.wrapping_add(((at * 31) ^ (at >> 7)).to_le_bytes()[0]);
        (0..self.length()).map(at).collect()
    }

    /// A guarded copy; nothing for the empty payload.
    pub fn buffer(self) -> Option<Buffer<u8>> {
        let bytes = self.bytes();
        match Buffer::try_alloc(&bytes, bytes.len()) {
            Ok(buffer) => Some(buffer),
            Err(MemoryError::ZeroSizedNotAllowed) if bytes.is_empty() => None,
            Err(error) => panic!("{error:?}"),
        }
    }
}
