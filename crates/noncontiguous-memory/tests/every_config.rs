//! What holds for `NonContiguousMemory` wherever its shards lie.
#![forbid(unsafe_code)]

use noncontiguous_memory::frag::FragStrategy;
use noncontiguous_memory::{NCConfig, NonContiguousMemory};

macro_rules! in_config {
    ($($name:ident: $config:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn it_obeys_the_laws_of_every_memory() {
                conformance::laws!(NonContiguousMemory, |payload| {
                    NonContiguousMemory::alloc(payload, payload.len(), $config)
                });
            }

            /// No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages, and none at all while
            /// no one uses it.
            #[test]
            #[cfg(target_os = "linux")]
            fn it_leaves_nothing_at_rest() {
                use conformance::{grants::Grant, stages};
                if Grant::OutsideView.is_lacking() {
                    return;
                }
                let refreshed = conformance::subject!(NonContiguousMemory, |secret| {
                    let memory = NonContiguousMemory::alloc(secret, secret.len(), $config)?;
                    memory.refresh()?;
                    Ok(memory)
                });
                let test = concat!(stringify!($name), "::it_leaves_nothing_at_rest");
                stages::leave_nothing_at_rest(&stages::of_every_operation(test, &refreshed));
            }

            #[test]
            #[cfg(unix)]
            fn a_child_forked_at_any_moment_gets_through() {
                let subject = conformance::subject!(NonContiguousMemory, |payload| {
                    NonContiguousMemory::alloc(payload, payload.len(), $config)
                });
                let test = concat!(stringify!($name), "::a_child_forked_at_any_moment_gets_through");
                conformance::forked::at_any_moment(test, &subject);
            }
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
