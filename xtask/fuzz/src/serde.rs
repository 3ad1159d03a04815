//! JSON and bincode input into every type: what a `Vec` takes, a memory takes, and holds the same; an error says nothing of
//! the input.

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use runtime::Bytes;
use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;
use std::fmt::Debug;

/// What an error begins with, for whatever reason the input was refused.
const REFUSALS: [&str; 3] = [
    "not a sequence of at least one element, each of its type",
    "a secret has at least one byte",
    "trailing characters",
];

#[derive(Clone, Copy)]
enum Format {
    Json,
    Bincode,
}

/// The first byte chooses the type and the format, the rest is the input.
pub fn run(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let format = if choice & 1 == 0 { Format::Json } else { Format::Bincode };
    match choice >> 1 & 15 {
        0 | 1 => memory::<RamMemory>(format, input),
        2 | 3 => memory::<FileMemory>(format, input),
        4 | 5 => memory::<NonContiguousMemory>(format, input),
        6 | 7 => buffer::<u8>(format, input),
        8 => buffer::<i16>(format, input),
        9 => buffer::<u32>(format, input),
        10 => buffer::<u64>(format, input),
        11 => buffer::<i128>(format, input),
        12 => buffer::<[u8; 3]>(format, input),
        13 => buffer::<[u16; 2]>(format, input),
        14 => buffer::<f32>(format, input),
        _ => buffer::<f64>(format, input),
    }
}

fn memory<M: LockedMemory + Serialize + DeserializeOwned>(format: Format, input: &[u8]) {
    let memory = read::<M>(format, input);
    let model = read::<Vec<u8>>(format, input);
    let Some(model) = same(&memory, model) else { return };
    let memory = memory.unwrap();
    assert!(*memory.unlock().unwrap().borrow() == *model, "other bytes");
    round_trips(&memory, &model);
}

fn buffer<T: Bytes + Serialize + DeserializeOwned + Debug>(format: Format, input: &[u8]) {
    let buffer = read::<Buffer<T>>(format, input);
    let model = read::<Vec<T>>(format, input);
    let Some(model) = same(&buffer, model) else { return };
    let buffer = buffer.unwrap();
    assert_eq!(buffer.len(), model.len());
    round_trips(&buffer, &model);
}

/// What the input means, where it means anything, on which both agree.
fn same<M, T>(memory: &Result<M, String>, model: Result<Vec<T>, String>) -> Option<Vec<T>> {
    match (memory, model) {
        (Ok(_), Ok(model)) if !model.is_empty() => Some(model),
        (Err(error), model) => {
            assert!(model.is_err_and(|_| true) || error.contains("at least one"), "{error}");
            assert!(REFUSALS.iter().any(|refusal| error.starts_with(refusal)), "{error}");
            None
        }
        (Ok(_), _) => panic!("took what is no sequence of at least one element"),
    }
}

fn round_trips<M: Serialize, T: Serialize>(memory: &M, model: &[T]) {
    assert!(bincode::serialize(memory).unwrap() == bincode::serialize(model).unwrap());
    assert!(serde_json::to_vec(memory).unwrap() == serde_json::to_vec(model).unwrap());
}

fn read<M: DeserializeOwned>(format: Format, input: &[u8]) -> Result<M, String> {
    match format {
        Format::Json => serde_json::from_slice(input).map_err(|error| error.to_string()),
        Format::Bincode => bincode::deserialize(input).map_err(|error| error.to_string()),
    }
}
