//! `NonContiguousMemory` obeys the laws of every memory, wherever its shards lie.
#![forbid(unsafe_code)]

use noncontiguous_memory::frag::FragStrategy;
use noncontiguous_memory::{NCConfig, NonContiguousMemory};

macro_rules! in_config {
    ($($name:ident: $config:expr;)*) => {$(
        #[test]
        fn $name() {
            conformance::laws!(NonContiguousMemory, |payload| {
                NonContiguousMemory::alloc(payload, payload.len(), $config)
            });
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
