//! `glowplug images verify`.

use super::select::{self, Selected};
use super::{Failure, print};
use crate::cache::{Cache, OpenImage};
use crate::inputs::{self, Caches};
use crate::key::BUILD;
use crate::meta::Meta;
use glowplug_image::{Region, Section};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;

/// Checks the images that are named, or all; fails where one is not sound.
pub fn verify(cache: Option<&Cache>, wanted: &[String]) -> Result<(), Failure> {
    let mut results = Vec::new();
    for name in wanted {
        for Selected { name, image, .. } in select::open(cache, name)? {
            results.push((name, problem(&image)));
        }
    }
    if let (true, Some(cache)) = (wanted.is_empty(), cache) {
        for entry in select::all(cache)? {
            let problem = match cache.open_entry(&entry) {
                Ok(image) => problem(&image),
                Err(error) => Some(error.to_string()),
            };
            results.push((select::short_name(&entry), problem));
        }
    }
    let mut unsound = 0;
    for (name, problem) in &results {
        unsound += usize::from(problem.is_some());
        print(&format!("{name}: {}\n", problem.as_deref().unwrap_or("sound")))?;
    }
    if unsound > 0 {
        let count = results.len();
        return Err(Failure::image(format!(
            "{unsound} of {count} images cannot be used\nhelp: programs start plainly and get new \
             ones; `glowplug images prune` removes what is damaged"
        )));
    }
    Ok(())
}

/// What is wrong with an image; its head and the bounds of its tables were checked when it was opened.
fn problem(image: &OpenImage) -> Option<String> {
    let head = image.head();
    if head.build != BUILD.0 {
        return Some("another build of Glowplug made it".to_owned());
    }
    let regions = head.table::<Region>(Section::Regions, image.bytes());
    if let Some(index) = regions.iter().position(|region| !region.is_sound(head.file_len)) {
        return Some(format!("region {index} is damaged"));
    }
    if let Some(index) = regions.windows(2).position(|pair| pair[0].end() > pair[1].addr) {
        return Some(format!("region {index} overlaps the next one"));
    }
    if let Err(changed) = inputs::check(head, image.bytes(), Caches::Warm) {
        return Some(changed.to_string());
    }
    let expected = Meta::of(image.meta()).contents?;
    match contents_digest(image) {
        Ok(digest) if digest == expected => None,
        Ok(_) => Some("its contents are damaged".to_owned()),
        Err(error) => Some(format!("its contents cannot be read: {error}")),
    }
}

/// Digest (blake3, hexadecimal) of the page contents.
fn contents_digest(image: &OpenImage) -> std::io::Result<String> {
    let mut file = File::from(image.as_fd().try_clone_to_owned()?);
    file.seek(SeekFrom::Start(image.head().pages_offset))?;
    let mut digest = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_hex().to_string()),
            read => digest.update(&buffer[..read]),
        };
    }
}
