//! Takes what is meant for this library out of the environment, and puts it into that of programs which this process becomes.

use core::ffi::{CStr, c_char};
use core::ptr;
use std::ffi::CString;
use std::sync::OnceLock;

const REQUEST: &[u8] = b"GLOWPLUG_COLLECT=";
const PRELOAD: &[u8] = b"LD_PRELOAD=";

/// What the starter asked for.
#[derive(Debug)]
pub struct Request {
    /// The file to write to.
    pub file: CString,
    /// Whether to watch which modules are used.
    pub usage: bool,
    /// The variables that hand this library on, if programs that this process becomes are to be profiled as well.
    pub follow: Option<Follow>,
}

/// The variables that hand this library on.
#[derive(Debug)]
pub struct Follow {
    request: CString,
    library: Vec<u8>,
}

/// The request of this process.
pub static REQUESTED: OnceLock<Request> = OnceLock::new();

/// Reads the request `GLOWPLUG_COLLECT=<letters>:<file>` (`f`: follow, `u`: usage) and removes every trace of it; this library stands first in `LD_PRELOAD`.
///
/// # Safety
/// `array` must be an environment: pointers to writable NUL-ended strings, ended by null, and no other thread may use it.
pub unsafe fn take(array: *mut *mut c_char) -> Option<Request> {
    // SAFETY: handed on from our caller.
    let request = unsafe { value_of(array, REQUEST) }?.to_vec();
    // SAFETY: as above.
    let preload = unsafe { value_of(array, PRELOAD) }.unwrap_or_default().to_vec();
    // SAFETY: as above.
    unsafe { remove(array) };
    let colon = request.iter().position(|&byte| byte == b':')?;
    let letters = &request[..colon];
    let library = preload.split(|&byte| byte == b':').next().unwrap_or_default().to_vec();
    let follow = letters.contains(&b'f').then(|| Follow {
        request: CString::new([REQUEST, &request].concat()).unwrap_or_default(),
        library,
    });
    Some(Request {
        file: CString::new(&request[colon + 1..]).ok()?,
        usage: letters.contains(&b'u'),
        follow,
    })
}

/// The value of a variable.
///
/// # Safety
/// As for [`strings`].
unsafe fn value_of<'a>(array: *const *mut c_char, name: &[u8]) -> Option<&'a [u8]> {
    // SAFETY: handed on from the callers, who keep the array's contract.
    unsafe { strings(array) }.find_map(|string| string.strip_prefix(name))
}

/// The strings of an environment.
///
/// # Safety
/// The array and its strings live as long as what is made of them, and nobody changes them meanwhile.
unsafe fn strings<'a>(array: *const *mut c_char) -> impl Iterator<Item = &'a [u8]> {
    (0..).map_while(move |index| {
        // SAFETY: the iterator ends at null, the last entry; the others are NUL-ended strings.
        unsafe {
            let string = *array.add(index);
            (!string.is_null()).then(|| CStr::from_ptr(string).to_bytes())
        }
    })
}

/// Removes the request, and this library from `LD_PRELOAD`.
///
/// # Safety
/// As for [`take`].
unsafe fn remove(array: *mut *mut c_char) {
    let (mut from, mut to) = (array, array);
    // SAFETY: both stay within the array; the strings are writable, and what is cut away is overwritten with zeros, so that
    // /proc/PID/environ does not show it either.
    unsafe {
        while !(*from).is_null() {
            let string = *from;
            let bytes = CStr::from_ptr(string).to_bytes();
            let length = bytes.len();
            if bytes.starts_with(REQUEST) {
                ptr::write_bytes(string, 0, length);
            } else if let Some(value) = bytes.strip_prefix(PRELOAD) {
                match value.iter().position(|&byte| byte == b':') {
                    Some(colon) => {
                        let rest = length - PRELOAD.len() - colon - 1;
                        let begin = string.add(PRELOAD.len());
                        ptr::copy(begin.add(colon + 1), begin, rest);
                        ptr::write_bytes(begin.add(rest), 0, colon + 1);
                        *to = string;
                        to = to.add(1);
                    }
                    None => ptr::write_bytes(string, 0, length),
                }
            } else {
                *to = string;
                to = to.add(1);
            }
            from = from.add(1);
        }
        while to < from {
            *to = ptr::null_mut();
            to = to.add(1);
        }
    }
}

/// An environment in a mapping of its own. It is not freed: the process is replaced, or shares its memory with one that will be.
pub struct Passed(pub *const *mut c_char, *mut libc::c_void, usize);

impl Passed {
    /// Gives the memory back, where the process was not replaced.
    pub fn release(self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.1, self.2) };
    }
}

/// The environment with the request put back in. `None` where it is to be passed as it is.
///
/// Allocates with mmap alone and takes no lock: it is called in children of fork and vfork.
///
/// # Safety
/// As for `take`, except that the environment is only read.
pub unsafe fn with_request(array: *const *mut c_char) -> Option<Passed> {
    let follow = REQUESTED.get()?.follow.as_ref()?;
    if array.is_null() {
        return None;
    }
    // SAFETY: handed on from our caller.
    let (count, old) = unsafe { (strings(array).count(), value_of(array, PRELOAD)) };
    let preload = PRELOAD.len() + follow.library.len() + old.map_or(0, |old| 1 + old.len()) + 1;
    let length = (count + 3) * size_of::<*mut c_char>() + preload;
    // SAFETY: an anonymous mapping of `length` bytes, zero at first: the array, then one string, both of which fit.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let map = libc::mmap(
            ptr::null_mut(),
            length,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if map == libc::MAP_FAILED {
            return None;
        }
        let fresh: *mut *mut c_char = map.cast();
        let text: *mut u8 = fresh.add(count + 3).cast();
        let mut end = text;
        let separator: &[u8] = if old.is_some() { b":" } else { b"" };
        for part in [PRELOAD, &follow.library, separator, old.unwrap_or_default()] {
            ptr::copy_nonoverlapping(part.as_ptr(), end, part.len());
            end = end.add(part.len());
        }
        let mut to = fresh;
        for index in 0..count {
            let string = *array.add(index);
            if !CStr::from_ptr(string).to_bytes().starts_with(PRELOAD) {
                *to = string;
                to = to.add(1);
            }
        }
        *to = text.cast();
        *to.add(1) = follow.request.as_ptr().cast_mut();
        Some(Passed(fresh, map, length))
    }
}
