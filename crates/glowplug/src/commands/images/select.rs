//! Naming images: by the beginning of a key, with or without that of its values, or by the path of a file.

use super::Failure;
use crate::cache::{Cache, Entry, OpenImage};
use crate::key::Digest;
use std::path::Path;

/// Digits of key and values in a short name.
const KEY_DIGITS: usize = 8;
const VALUE_DIGITS: usize = 4;

/// The short name of an image: `1a2b3c4d-5e6f`.
pub fn short_name(entry: &Entry) -> String {
    match entry.digests() {
        Some((key, values)) => {
            format!("{}-{}", &key.hex()[..KEY_DIGITS], &values.hex()[..VALUE_DIGITS])
        }
        None => entry.name.clone(),
    }
}

/// All images of the cache.
pub fn all(cache: &Cache) -> Result<Vec<Entry>, Failure> {
    let mut entries = cache.entries()?;
    entries.retain(|entry| entry.digests().is_some());
    Ok(entries)
}

/// The images that these names mean. A name may mean several images only where they are of one key.
pub fn some(cache: &Cache, wanted: &[String]) -> Result<Vec<Entry>, Failure> {
    let mut chosen: Vec<Entry> = Vec::new();
    for name in wanted {
        for entry in of_name(all(cache)?, name)? {
            if !chosen.iter().any(|other| other.name == entry.name) {
                chosen.push(entry);
            }
        }
    }
    Ok(chosen)
}

/// The failure where there is no cache, unless nothing was named.
pub fn nothing_for(wanted: &[String]) -> Result<(), Failure> {
    match wanted.first() {
        Some(name) => Err(unknown(name)),
        None => Ok(()),
    }
}

/// An image that was chosen.
#[derive(Debug)]
pub struct Selected {
    /// The short name or the path to call it by.
    pub name: String,
    /// The image.
    pub image: OpenImage,
    /// Its key and values; `None` for a file outside the cache.
    pub digests: Option<(Digest, Digest)>,
}

/// Opens the image that a name or path means.
pub fn open(cache: Option<&Cache>, name: &str) -> Result<Vec<Selected>, Failure> {
    if name.contains('/') || Path::new(name).is_file() {
        let image = OpenImage::open(Path::new(name))
            .map_err(|error| Failure::image(format!("{name}: {error}")))?;
        return Ok(vec![Selected { name: name.to_owned(), image, digests: None }]);
    }
    let Some(cache) = cache else { return Err(unknown(name)) };
    of_name(all(cache)?, name)?
        .iter()
        .map(|entry| {
            let name = short_name(entry);
            match cache.open_entry(entry) {
                Ok(image) => Ok(Selected { name, image, digests: entry.digests() }),
                Err(error) => Err(Failure::image(format!("{name}: {error}"))),
            }
        })
        .collect()
}

/// The entries that a name means.
pub fn of_name(mut entries: Vec<Entry>, name: &str) -> Result<Vec<Entry>, Failure> {
    let (key_part, values_part) = name.split_once('-').unwrap_or((name, ""));
    entries.retain(|entry| {
        entry.digests().is_some_and(|(key, values)| {
            !key_part.is_empty()
                && key.hex().starts_with(key_part)
                && values.hex().starts_with(values_part)
        })
    });
    let keys = entries.iter().filter_map(Entry::digests).map(|(key, _)| key);
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    match keys.len() {
        0 => Err(unknown(name)),
        1 => Ok(entries),
        _ => {
            let names: Vec<_> = entries.iter().map(short_name).collect();
            Err(Failure::usage(format!(
                "`{name}` is the beginning of several images: {}\nhelp: write more of the name",
                names.join(", ")
            )))
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!(
        "there is no image `{name}` in the cache\nhelp: `glowplug images list` names them; write \
         the path of an image file with a slash, as `./{name}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        ["aa11", "aa22", "bb33"]
            .iter()
            .flat_map(|key| ["cc", "dd"].map(|values| (key, values)))
            .map(|(key, values)| Entry {
                name: format!("{}-{}.image", key.repeat(8), values.repeat(16)),
                len: 1,
                last_used_ns: 0,
            })
            .collect()
    }

    #[test]
    fn beginnings_name_the_images_of_one_key() {
        let chosen = |name| of_name(entries(), name).map(|chosen| chosen.len()).ok();
        assert_eq!(chosen("b"), Some(2));
        assert_eq!(chosen("b-c"), Some(1));
        assert_eq!(chosen("aa11aa11-dddd"), Some(1));
        assert_eq!(chosen("a"), None);
        assert_eq!(chosen("c"), None);
        assert_eq!(chosen(""), None);
        assert_eq!(chosen("-d"), None);
    }

    #[test]
    fn a_short_name_names_its_image() {
        for entry in entries() {
            let chosen = of_name(entries(), &short_name(&entry)).expect("names one");
            assert_eq!(chosen.len(), 1);
            assert_eq!(chosen[0].name, entry.name);
        }
    }
}
