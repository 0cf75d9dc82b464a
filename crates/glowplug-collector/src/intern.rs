//! Numbers for strings, so that each is written down once.

use crate::api::{self, Ref, api};
use crate::trace::{self, Kind};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

/// Multiplies: enough for pointers and for what has been hashed before.
#[derive(Default)]
pub struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.write_u64(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.0 ^= self.0 >> 29;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

/// A table hashed so.
pub type Table<K, V> = HashMap<K, V, BuildHasherDefault<Multiply>>;

struct Numbers {
    /// By address; each object is held for ever, so that no other can take its place.
    objects: Table<usize, u32>,
    texts: Table<Vec<u8>, u32>,
}

impl Default for Numbers {
    /// With room for what small programs name.
    fn default() -> Numbers {
        const EXPECTED: usize = 200;
        Numbers {
            objects: Table::with_capacity_and_hasher(EXPECTED, BuildHasherDefault::default()),
            texts: Table::with_capacity_and_hasher(EXPECTED, BuildHasherDefault::default()),
        }
    }
}

static NUMBERS: Mutex<Option<Numbers>> = Mutex::new(None);

/// The number of a `str` (borrowed); 0 for null, other objects, and where a thread that another one forked away held the table.
pub fn object(object: Ref) -> u32 {
    if object.is_null() {
        return 0;
    }
    let Ok(mut numbers) = NUMBERS.try_lock() else { return 0 };
    let numbers = numbers.get_or_insert_with(Numbers::default);
    if let Some(&number) = numbers.objects.get(&(object as usize)) {
        return number;
    }
    let Some(bytes) = api::text(object) else { return 0 };
    let number = numbers.number(bytes);
    if numbers.objects.len() < MOST_OBJECTS {
        // SAFETY: the caller holds the GIL and a reference.
        unsafe { (api().Py_IncRef)(object) };
        numbers.objects.insert(object as usize, number);
    }
    number
}

/// So that a program which imports made-up names for ever does not fill its memory.
const MOST_OBJECTS: usize = 100_000;

/// The number of a text.
pub fn text(bytes: &[u8]) -> u32 {
    let Ok(mut numbers) = NUMBERS.try_lock() else { return 0 };
    numbers.get_or_insert_with(Numbers::default).number(bytes)
}

impl Numbers {
    fn number(&mut self, bytes: &[u8]) -> u32 {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        if let Some(&number) = self.texts.get(bytes) {
            return number;
        }
        let number = self.texts.len() as u32 + 1;
        self.texts.insert(bytes.to_vec(), number);
        trace::note_bytes(Kind::String, 0, number, &[bytes.len() as u64], bytes);
        number
    }
}

/// Longer ones are cut.
const LONGEST: usize = 4096;
