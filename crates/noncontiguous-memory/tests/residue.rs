//! No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages, and none at all while no one
//! uses it.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use conformance::{stages, subject};
use noncontiguous_memory::frag::FragStrategy;
use noncontiguous_memory::{NCConfig, NonContiguousMemory};

macro_rules! in_config {
    ($($name:ident: $config:expr;)*) => {$(
        #[test]
        fn $name() {
            let refreshed = subject!(NonContiguousMemory, |secret| {
                let memory = NonContiguousMemory::alloc(secret, secret.len(), $config)?;
                memory.refresh()?;
                Ok(memory)
            });
            stages::leave_nothing_at_rest(&stages::of_every_operation(stringify!($name), &refreshed));
        }
    )*};
}

in_config! {
    full_ram: NCConfig::FullRam;
    ram_and_file: NCConfig::RamAndFile;
    full_file: NCConfig::FullFile;
    frag_map: NCConfig::FragAllocation(FragStrategy::Map);
    frag_direct: NCConfig::FragAllocation(FragStrategy::Direct);
    frag_hybrid: NCConfig::FragAllocation(FragStrategy::Hybrid);
}
