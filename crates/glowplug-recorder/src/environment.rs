//! Takes the recorder's own variables out of the environment before the program sees it.
//!
//! The kernel lays the strings of the environment out one after the other, and `/proc/PID/environ`
//! shows that memory. So both the array of pointers and the strings are mended: the strings that
//! stay move together, and zeros follow them.

use core::ffi::{CStr, c_char, c_int};
use core::ptr::{self, NonNull};

use crate::record::Detail;
use crate::syscall;

const RECORD: &[u8] = b"GLOWPLUG_RECORD=";
const MAIN: &[u8] = b"GLOWPLUG_MAIN=";
const JOB: &[u8] = b"GLOWPLUG_JOB=";
const OWN_PRELOAD: &[u8] = b"LD_PRELOAD=";
/// Ends in the name of the variable whose value it keeps, so that its tail can take its place.
const USERS_PRELOAD: &[u8] = b"GLOWPLUG_LD_PRELOAD=";
const USERS_PRELOAD_PREFIX: usize = USERS_PRELOAD.len() - OWN_PRELOAD.len();

/// What the starter asked for.
#[derive(Default)]
pub struct Request {
    /// The memory file to record to, and how much.
    pub record: Option<(c_int, Detail)>,
    /// The library whose `glowplug_main` runs in place of the program's `main`: a copy in a mapping
    /// of its own.
    pub main: Option<Text>,
    /// The descriptor that tells this library what to do.
    pub job: Option<c_int>,
}

/// A NUL-ended string in a mapping of its own.
pub struct Text {
    /// The first character.
    pub start: NonNull<u8>,
    /// The length of the mapping in bytes.
    pub length: usize,
}

impl Text {
    fn copy(text: &[u8]) -> Option<Self> {
        let length = text.len() + 1;
        let start = syscall::map_private(length)?;
        // SAFETY: the fresh mapping has room for the text and, being zero, ends it with a NUL.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), start.as_ptr(), text.len()) };
        Some(Self { start, length })
    }
}

/// What becomes of one variable.
enum Fate {
    Keep,
    Remove,
    /// Its first bytes go, the rest is the variable to show.
    Uncover(usize),
}

/// Reads the request and removes every trace of it from the array and its strings.
///
/// `compact` says that nobody but this array points to the strings, so that they may move.
///
/// # Safety
/// `array` must be an environment: pointers to writable NUL-ended strings, ended by null, and no
/// other thread may use it. Without a request nothing is written.
pub unsafe fn take(array: *mut *mut c_char, compact: bool) -> Request {
    // SAFETY: handed on from our caller.
    if !unsafe { asks(array) } {
        return Request::default();
    }
    // SAFETY: handed on from our caller.
    let compact = compact && unsafe { adjoining(array) };
    let mut request = Request::default();
    let (mut from, mut to) = (array, array);
    let (mut gap, mut end): (*mut c_char, *mut c_char) = (ptr::null_mut(), ptr::null_mut());
    loop {
        // SAFETY: `from` and `to` stay within the array, which null ends.
        let string = unsafe { *from };
        if string.is_null() {
            break;
        }
        // SAFETY: entries are NUL-ended strings.
        let bytes = unsafe { CStr::from_ptr(string) }.to_bytes_with_nul();
        let length = bytes.len();
        let skipped = match judge(bytes, &mut request) {
            Fate::Keep => 0,
            Fate::Remove => length,
            Fate::Uncover(prefix) => prefix,
        };
        let mut kept = string.wrapping_add(skipped);
        if compact {
            if skipped > 0 && gap.is_null() {
                gap = string;
            }
            if !gap.is_null() {
                // SAFETY: the strings adjoin and `gap` is at or before `kept`: what is overwritten
                // belongs to strings that have been moved or removed.
                unsafe { ptr::copy(kept, gap, length - skipped) };
                kept = gap;
                gap = gap.wrapping_add(length - skipped);
            }
        } else {
            // SAFETY: these bytes are the string's own.
            unsafe { ptr::write_bytes(string, 0, skipped) };
        }
        if skipped < length {
            // SAFETY: `to` is at or before `from`.
            unsafe { *to = kept };
            to = to.wrapping_add(1);
        }
        end = string.wrapping_add(length);
        from = from.wrapping_add(1);
    }
    if !gap.is_null() {
        // SAFETY: all that stood between the gap and the end has been moved away or removed.
        unsafe { ptr::write_bytes(gap, 0, end as usize - gap as usize) };
    }
    while to < from {
        // Whoever looks for the auxiliary vector behind the environment finds an empty one there
        // rather than stale pointers.
        // SAFETY: between `to` and `from` are entries that moved forward.
        unsafe { *to = ptr::null_mut() };
        to = to.wrapping_add(1);
    }
    request
}

/// Whether there is anything to take.
///
/// # Safety
/// As for `take`.
unsafe fn asks(array: *mut *mut c_char) -> bool {
    // SAFETY: handed on from our caller.
    unsafe { strings(array) }.any(|string| {
        // SAFETY: entries are NUL-ended strings.
        let bytes = unsafe { CStr::from_ptr(string) }.to_bytes();
        bytes.starts_with(RECORD) || bytes.starts_with(MAIN)
    })
}

/// Whether each string starts where the one before it ends.
///
/// # Safety
/// As for `take`.
unsafe fn adjoining(array: *mut *mut c_char) -> bool {
    let mut expected: *mut c_char = ptr::null_mut();
    // SAFETY: handed on from our caller.
    unsafe { strings(array) }.all(|string| {
        let fits = expected.is_null() || expected == string;
        // SAFETY: entries are NUL-ended strings.
        expected = string.wrapping_add(unsafe { CStr::from_ptr(string) }.count_bytes() + 1);
        fits
    })
}

/// The strings of an environment.
///
/// # Safety
/// As for `take`, for as long as the iterator is used.
unsafe fn strings(array: *mut *mut c_char) -> impl Iterator<Item = *mut c_char> {
    (0..).map_while(move |index| {
        // SAFETY: the iterator ends at null, the last entry.
        let string = unsafe { *array.wrapping_add(index) };
        (!string.is_null()).then_some(string)
    })
}

/// Decides about one variable and notes what it asks for.
fn judge(with_nul: &[u8], request: &mut Request) -> Fate {
    let variable = with_nul.strip_suffix(b"\0").unwrap_or(with_nul);
    if let Some(value) = variable.strip_prefix(RECORD) {
        request.record = parse_record(value);
        Fate::Remove
    } else if let Some(value) = variable.strip_prefix(MAIN) {
        request.main = Text::copy(value);
        Fate::Remove
    } else if let Some(value) = variable.strip_prefix(JOB) {
        request.job = parse_descriptor(value);
        Fate::Remove
    } else if variable.starts_with(USERS_PRELOAD) {
        Fate::Uncover(USERS_PRELOAD_PREFIX)
    } else if variable.starts_with(OWN_PRELOAD) {
        Fate::Remove
    } else {
        Fate::Keep
    }
}

/// Reads `<fd>,light` or `<fd>,full`.
fn parse_record(value: &[u8]) -> Option<(c_int, Detail)> {
    let comma = value.iter().position(|&byte| byte == b',')?;
    let (number, detail) = value.split_at_checked(comma)?;
    let detail = match detail {
        b",light" => Detail::Light,
        b",full" => Detail::Full,
        _ => return None,
    };
    Some((parse_descriptor(number)?, detail))
}

fn parse_descriptor(value: &[u8]) -> Option<c_int> {
    let number: c_int = core::str::from_utf8(value).ok()?.parse().ok()?;
    (number >= 0).then_some(number)
}
