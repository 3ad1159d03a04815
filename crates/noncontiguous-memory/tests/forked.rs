//! A child forked while other threads work gets an error from every memory of its parent, and can make its own.
#![cfg(unix)]
#![forbid(unsafe_code)]

use conformance::{forked, subject};
use noncontiguous_memory::frag::FragStrategy;
use noncontiguous_memory::{NCConfig, NonContiguousMemory};

macro_rules! in_config {
    ($($name:ident: $config:expr;)*) => {$(
        #[test]
        fn $name() {
            let subject = subject!(NonContiguousMemory, |payload| {
                NonContiguousMemory::alloc(payload, payload.len(), $config)
            });
            forked::at_any_moment(stringify!($name), &subject);
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
