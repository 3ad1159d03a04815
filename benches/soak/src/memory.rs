//! One face for every memory in every configuration.

use runtime::MemoryError;
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::frag::FragStrategy;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;

pub(crate) type Made<T = ()> = Result<T, MemoryError>;

/// How many kinds there are.
pub(crate) const KINDS: usize = 9;

/// Any memory.
pub(crate) trait Memory {
    fn unlock(&self) -> Made<Buffer<u8>>;
    fn with(&self, f: &mut dyn FnMut(&[u8])) -> Made;
    fn replace(&mut self, payload: Buffer<u8>) -> Made;
    fn update(self: Box<Self>, payload: Buffer<u8>) -> Made<Box<dyn Memory>>;
    fn try_clone(&self) -> Made<Box<dyn Memory>>;
    /// Does nothing where there are no shards.
    fn refresh(&self) -> Made;
}

macro_rules! memory {
    ($type:ty, $refresh:expr) => {
        impl Memory for $type {
            fn unlock(&self) -> Made<Buffer<u8>> {
                runtime::locked_memory::LockedMemory::unlock(self)
            }

            fn with(&self, f: &mut dyn FnMut(&[u8])) -> Made {
                <$type>::with(self, |bytes| f(bytes))
            }

            fn replace(&mut self, payload: Buffer<u8>) -> Made {
                <$type>::replace(self, payload)
            }

            fn update(self: Box<Self>, payload: Buffer<u8>) -> Made<Box<dyn Memory>> {
                let size = payload.len();
                Ok(Box::new((*self).update(payload, size)?))
            }

            fn try_clone(&self) -> Made<Box<dyn Memory>> {
                Ok(Box::new(<$type>::try_clone(self)?))
            }

            fn refresh(&self) -> Made {
                let refresh: fn(&Self) -> Made = $refresh;
                refresh(self)
            }
        }
    };
}

memory!(RamMemory, |_| Ok(()));
memory!(FileMemory, |_| Ok(()));
memory!(NonContiguousMemory, NonContiguousMemory::refresh);

/// A memory of the kind with that number, below [`KINDS`].
pub(crate) fn make(kind: usize, bytes: &[u8]) -> Made<Box<dyn Memory>> {
    let shards = |config| NonContiguousMemory::alloc(bytes, bytes.len(), config);
    Ok(match kind {
        0 => Box::new(RamMemory::alloc(bytes, bytes.len())?),
        1 => Box::new(RamMemory::guarded(bytes)?),
        2 => Box::new(FileMemory::alloc(bytes, bytes.len())?),
        3 => Box::new(shards(NCConfig::FullRam)?),
        4 => Box::new(shards(NCConfig::FullFile)?),
        5 => Box::new(shards(NCConfig::RamAndFile)?),
        6 => Box::new(shards(NCConfig::FragAllocation(FragStrategy::Map))?),
        7 => Box::new(shards(NCConfig::FragAllocation(FragStrategy::Direct))?),
        _ => Box::new(shards(NCConfig::FragAllocation(FragStrategy::Hybrid))?),
    })
}
