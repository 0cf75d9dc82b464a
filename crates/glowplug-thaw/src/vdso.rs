//! Finding functions in the vdso that the kernel gave this process.

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

/// # Safety
/// A readable `T` must be at `address`.
unsafe fn read<T: Copy>(address: u64) -> T {
    // SAFETY: by the caller.
    unsafe { (address as *const T).read_unaligned() }
}
