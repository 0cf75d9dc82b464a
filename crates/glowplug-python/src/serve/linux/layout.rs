//! What the kernel tells of a process's arguments, environment and stack.

use crate::serve::arguments::Span;

/// `PR_SET_MM_MAP`: sets what the kernel knows of a process's layout; without an executable (-1) it needs no right.
const PR_SET_MM_MAP: libc::c_ulong = 14;

/// `struct prctl_mm_map` of linux/prctl.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Map {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// The layout of a process.
pub struct Layout {
    map: Map,
    /// One past the last address of the main thread's stack; 0 where it is not told.
    pub stack_top: u64,
}

impl Layout {
    /// That of this process.
    pub fn of_this_process() -> Layout {
        Layout { map: map(), stack_top: stack_top() }
    }

    /// Shows other arguments and another environment in `/proc/self`. Where the kernel does not let us, the old ones are shown.
    pub fn show(&self, strings: Span) {
        let map = Map {
            // SAFETY: asks where the heap ends.
            brk: unsafe { libc::sbrk(0) } as u64,
            arg_start: strings.arguments,
            arg_end: strings.environment,
            env_start: strings.environment,
            env_end: strings.end,
            exe_fd: u32::MAX,
            ..self.map
        };
        let (size, none) = (size_of::<Map>() as libc::c_ulong, 0 as libc::c_ulong);
        // SAFETY: the kernel reads the struct, and checks the addresses, which it uses to show memory alone; the heap stays where it is.
        unsafe { libc::prctl(libc::PR_SET_MM, PR_SET_MM_MAP, &raw const map, size, none) };
    }
}

/// The layout from `/proc/self/stat`; fields are counted from the last parenthesis, as the name before may hold anything.
fn map() -> Map {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<u64> =
        fields.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    Map {
        start_code: field(26),
        end_code: field(27),
        start_stack: field(28),
        start_data: field(45),
        end_data: field(46),
        start_brk: field(47),
        ..Map::default()
    }
}

/// One past the last address of the main thread's stack; 0 where it is not told.
fn stack_top() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let line = maps.lines().find(|line| line.ends_with("[stack]"));
    let end = line.and_then(|line| line.split(['-', ' ']).nth(1));
    end.and_then(|end| u64::from_str_radix(end, 16).ok()).unwrap_or(0)
}
