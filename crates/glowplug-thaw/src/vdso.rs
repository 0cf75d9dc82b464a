//! Finding functions in the vdso that the kernel gave this process, and what takes the place of those of the frozen one's.

use core::ffi::CStr;

/// The vdso's dynamic symbols.
pub struct Vdso {
    base: u64,
    symbols: u64,
    strings: u64,
    count: u64,
}

const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const SYMBOL_LEN: u64 = 24;

impl Vdso {
    /// # Safety
    /// `base` must be the address that the kernel gave as `AT_SYSINFO_EHDR`.
    pub unsafe fn new(base: u64) -> Option<Vdso> {
        if base == 0 {
            return None;
        }
        // SAFETY: an ELF header is there: e_phoff at 32, e_phnum at 56.
        let (headers, count) =
            unsafe { (base + read::<u64>(base + 32), u64::from(read::<u16>(base + 56))) };
        let mut dynamic = None;
        for i in 0..count {
            let header = headers + i * 56;
            // SAFETY: inside the program header table: p_type at 0, p_offset at 8.
            unsafe {
                if read::<u32>(header) == PT_DYNAMIC {
                    dynamic = Some(base + read::<u64>(header + 8));
                }
            }
        }
        let mut entry = dynamic?;
        let (mut strings, mut symbols) = (0, 0);
        loop {
            // SAFETY: the dynamic section is pairs of words and ends with tag 0.
            let (tag, value) = unsafe { (read::<u64>(entry), read::<u64>(entry + 8)) };
            match tag {
                0 => break,
                DT_STRTAB => strings = value,
                DT_SYMTAB => symbols = value,
                _ => {}
            }
            entry += 16;
        }
        let absolute = |address: u64| if address < base { base + address } else { address };
        let (strings, symbols) = (absolute(strings), absolute(symbols));
        // The string table follows the symbol table in every x86-64 vdso.
        let count = strings.checked_sub(symbols)? / SYMBOL_LEN;
        Some(Vdso { base, symbols, strings, count })
    }

    /// Address of the function with this name, which is NUL-padded.
    pub fn find(&self, name: &[u8; 40]) -> Option<u64> {
        let wanted = CStr::from_bytes_until_nul(name).ok()?;
        (1..self.count).find_map(|i| {
            let symbol = self.symbols + i * SYMBOL_LEN;
            // SAFETY: symbols 0..count lie inside the vdso: st_name at 0, st_info at 4, st_value at 8.
            let (name, info, value) =
                unsafe { (read::<u32>(symbol), read::<u8>(symbol + 4), read::<u64>(symbol + 8)) };
            // SAFETY: st_name points at a C string of the string table.
            let found = unsafe { CStr::from_ptr((self.strings + u64::from(name)) as *const _) };
            (info & 15 == 2 && found == wanted).then_some(self.base + value)
        })
    }
}

/// Length of the code that takes the place of a function, bytes; the kernel aligns functions to 16.
pub const CODE_LEN: usize = 13;

/// Goes on at another address.
pub fn jump_to(target: u64) -> [u8; CODE_LEN] {
    // movabs r11, target; jmp r11
    let mut code = [0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3];
    for (slot, byte) in code.iter_mut().skip(2).zip(target.to_le_bytes()) {
        *slot = byte;
    }
    code
}

/// Numbers of the system calls that do what functions of a vdso do; a kernel that is older than the one under which a process was frozen
/// has fewer of these functions. Their arguments come in the registers in which system calls take them, as there are no more than three
/// that count: what `getrandom` has behind them is memory that saves it the system call (Linux 6.11).
const SYSTEM_CALLS: [(&[u8], u16); 6] = [
    (b"gettimeofday", 96),
    (b"time", 201),
    (b"clock_gettime", 228),
    (b"clock_getres", 229),
    (b"getcpu", 309),
    (b"getrandom", 318),
];

/// Makes the system call that stands for a function, whose name is NUL-padded and may begin with `__vdso_`; `None` where none does. What
/// enters an enclave answers that there is no such thing.
pub fn system_call(name: &[u8; 40]) -> Option<[u8; CODE_LEN]> {
    let name = CStr::from_bytes_until_nul(name).ok()?.to_bytes();
    let name = name.strip_prefix(b"__vdso_").unwrap_or(name);
    if name == b"sgx_enter_enclave" {
        // mov eax, -ENOSYS; ret; then nothing that is reached
        return Some([
            0xb8, 0xda, 0xff, 0xff, 0xff, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
        ]);
    }
    let (_, number) = SYSTEM_CALLS.iter().find(|(known, _)| *known == name)?;
    let [low, high] = number.to_le_bytes();
    // mov eax, number; syscall; ret; then nothing that is reached
    Some([0xb8, low, high, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc])
}

/// # Safety
/// A readable `T` must be at `address`.
unsafe fn read<T: Copy>(address: u64) -> T {
    // SAFETY: by the caller.
    unsafe { (address as *const T).read_unaligned() }
}
