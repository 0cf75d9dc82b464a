//! The stack as the kernel lays it out for a new program: argument count, arguments, environment, auxiliary vector.

use core::ffi::CStr;

/// A view of the kernel's stack. It stays where it is for the whole life of the process.
pub struct KernelStack {
    sp: *mut u64,
    argc: usize,
    envc: usize,
}

impl KernelStack {
    /// # Safety
    /// `sp` must be the stack pointer at process entry, and nothing else may write to that stack.
    pub unsafe fn new(sp: *mut u64) -> KernelStack {
        // SAFETY: the kernel puts argc there.
        let argc = unsafe { *sp } as usize;
        let mut stack = KernelStack { sp, argc, envc: 0 };
        while !stack.env_slot(stack.envc).is_null() {
            stack.envc += 1;
        }
        stack
    }

    /// Address of the stack's first word.
    pub fn address(&self) -> u64 {
        self.sp as u64
    }

    /// Number of arguments.
    pub fn argc(&self) -> usize {
        self.argc
    }

    /// Number of environment strings.
    pub fn envc(&self) -> usize {
        self.envc
    }

    /// The argument array, as `execve` takes it.
    pub fn argv(&self) -> *const *const u8 {
        // SAFETY: argv follows argc.
        unsafe { self.sp.add(1).cast() }
    }

    /// The environment array, as `execve` takes it.
    pub fn envp(&self) -> *const *const u8 {
        // SAFETY: the environment follows argv and its NULL.
        unsafe { self.sp.add(2 + self.argc).cast() }
    }

    fn env_slot(&self, index: usize) -> *const u8 {
        // SAFETY: callers ask only up to the NULL that ends the array.
        unsafe { *self.envp().add(index) }
    }

    /// The argument with this index.
    pub fn argument(&self, index: usize) -> Option<&'static CStr> {
        if index >= self.argc {
            return None;
        }
        // SAFETY: an argument below argc is a C string of the kernel's, which stays.
        Some(unsafe { CStr::from_ptr((*self.argv().add(index)).cast()) })
    }

    /// The environment string with this index.
    pub fn environment(&self, index: usize) -> Option<&'static CStr> {
        if index >= self.envc {
            return None;
        }
        // SAFETY: an entry below envc is a C string of the kernel's, which stays.
        Some(unsafe { CStr::from_ptr(self.env_slot(index).cast()) })
    }

    /// Takes the environment string with this index out of the array.
    pub fn remove_environment(&mut self, index: usize) {
        let envp = self.envp().cast_mut();
        for i in index..self.envc {
            // SAFETY: i + 1 is at most envc, where the NULL stands.
            unsafe { *envp.add(i) = *envp.add(i + 1) };
        }
        self.envc = self.envc.saturating_sub(1);
    }

    /// Puts a string back at the end of the environment, into the place that `remove_environment` freed.
    pub fn restore_environment(&mut self, string: &'static CStr) {
        let envp = self.envp().cast_mut();
        // SAFETY: called after `remove_environment`, so one slot and one for the NULL are free.
        unsafe {
            *envp.add(self.envc) = string.as_ptr().cast();
            *envp.add(self.envc + 1) = core::ptr::null();
        }
        self.envc += 1;
    }

    /// The auxiliary vector: its address, and its length in bytes with the terminating entry.
    pub fn auxiliary(&self) -> (u64, u32, Auxiliary) {
        // The slot of a removed string is NULL as well: skip every NULL before the first entry.
        // SAFETY: the environment's NULL is at envc; the vector follows.
        let mut at: *const u64 = unsafe { self.envp().add(self.envc).cast() };
        // SAFETY: there is at least one entry, whose type is not 0, behind the NULLs.
        while unsafe { *at } == 0 {
            // SAFETY: as above.
            at = unsafe { at.add(1) };
        }
        let start = at as u64;
        let mut found = Auxiliary::default();
        loop {
            // SAFETY: the vector is pairs of words and ends with type 0.
            let (kind, value) = unsafe { (*at, *at.add(1)) };
            // SAFETY: as above; one past the terminating pair at the most.
            at = unsafe { at.add(2) };
            match kind {
                0 => break,
                33 => found.vdso = value,
                _ => {}
            }
        }
        (start, (at as u64 - start) as u32, found)
    }
}

/// What the restorer needs of the auxiliary vector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auxiliary {
    /// Address of the vdso (`AT_SYSINFO_EHDR`), 0 where there is none.
    pub vdso: u64,
}
