//! Libraries that keep one secret in one guarded page.

use peers::{Keep, Memsafe, Memsec, MemsecSecret, Refused, Secrets, Sodium};
use std::hint::black_box;

/// One operation on a secret of so many bytes in one library.
pub(crate) struct Entry {
    pub(crate) operation: &'static str,
    pub(crate) library: String,
    pub(crate) prepare: fn(usize) -> Result<Guarded, Refused>,
}

/// An operation that succeeds, or stops the benchmark.
pub(crate) type Guarded = Box<dyn FnMut()>;

/// What all of them can do.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    entries.extend(of::<Sodium>());
    entries.extend(of::<Secrets>());
    entries.extend(of::<Memsec>());
    entries.extend(of::<MemsecSecret>());
    entries.extend(of::<Memsafe<32>>());
    entries.extend(of::<Memsafe<256>>());
    entries.extend(of::<Memsafe<{ 4 << 10 }>>());
    entries.extend(of::<Memsafe<{ 64 << 10 }>>());
    entries.extend(of::<Memsafe<{ 1 << 20 }>>());
    entries
}

fn of<K: Keep + 'static>() -> [Entry; 3] {
    let entry =
        |operation, prepare| Entry { operation, library: format!("{} {}", K::LIBRARY, K::WHAT), prepare };
    [
        entry("create + drop", |size| {
            make::<K>(size)?; // or it is not for secrets of this size
            Ok(Box::new(move || drop(make::<K>(size).expect("there is room for one"))))
        }),
        entry("borrow", |size| {
            let mut secret = make::<K>(size)?;
            Ok(Box::new(move || {
                black_box(secret.read(|bytes| bytes.last().copied()).expect("it can be read"));
            }))
        }),
        entry("update", |size| {
            let mut secret = make::<K>(size)?;
            Ok(Box::new(move || {
                secret.write(|bytes| bytes.fill(black_box(8))).expect("it can be written");
            }))
        }),
    ]
}

fn make<K: Keep>(size: usize) -> Result<K, Refused> {
    K::new(size, |bytes| bytes.fill(black_box(7)))
}
