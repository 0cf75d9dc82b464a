//! Pending names by module. Nothing of it stands in the module's dict, where `runpy`, `inspect` and users would see it.

use super::Ptr;
use super::statement::Statements;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// The pending names of one module.
pub struct Pending {
    /// The module's dict: borrowed, as the entry goes when the dict does.
    pub globals: Ptr,
    /// The module's name when its first name became pending.
    pub importer: Object,
    /// Names and their references: a dict.
    pub names: Object,
    /// How many stores of the running statement are still to come; the dict's type is flipped while it is not zero.
    pub stores: Cell<usize>,
    /// The code object that was read last, and what it holds.
    pub code: RefCell<Option<Rc<Code>>>,
    /// Names that the module's body may make pending: a set.
    pub expected: Object,
    /// Whether no code of the module has been read yet, so that nobody knows what to expect.
    pub unread: Cell<bool>,
    /// How many bodies of the module are running.
    pub running: Cell<u32>,
    /// Whether the module's `__builtins__` have been those with keys.
    pub attached: Cell<bool>,
    /// Whether the module's body has ended once.
    pub complete: Cell<bool>,
    /// Whether a function of the module has the real builtins: a name that nobody expected cannot become pending then.
    pub released: Cell<bool>,
    /// Functions that got the builtins with keys: weak references.
    #[cfg(Py_3_12)]
    pub functions: RefCell<Vec<Object>>,
    /// Where the tripwires for its names stand: code objects, and indices into their names.
    #[cfg(Py_3_12)]
    pub wires: RefCell<AddressMap<Vec<(usize, isize)>>>,
    /// Whether the settings keep this importer eager.
    pub kept_eager: bool,
}

/// A code object that has been read.
pub struct Code {
    /// The code object, so that its address is not used again.
    pub object: Object,
    /// Its bytecode, a bytes object.
    pub bytecode: Object,
    /// `co_names`.
    pub names: Object,
    /// `co_exceptiontable`, a bytes object.
    #[cfg(Py_3_11)]
    pub exception_table: Object,
    /// Its import statements.
    pub statements: Statements,
}

impl Pending {
    /// Whether a name is pending.
    ///
    /// # Safety
    /// GIL; `name` is hashable.
    pub unsafe fn reference(&self, name: Ptr) -> Option<Object> {
        // SAFETY: GIL by the caller.
        unsafe { Object::borrowed(ffi::PyDict_GetItemWithError(self.names.as_ptr(), name)) }
    }

    /// Whether a name may become pending now: every function that uses it must meet its key.
    ///
    /// # Safety
    /// GIL; `name` is hashable.
    pub unsafe fn may_hold(&self, name: Ptr) -> bool {
        // SAFETY: GIL by the caller.
        unsafe {
            !self.released.get()
                || (!self.complete.get() && ffi::PySet_Contains(self.expected.as_ptr(), name) == 1)
                || ffi::PyDict_Contains(self.names.as_ptr(), name) == 1
        }
    }

    /// The code object, read. Its names are expected from here on if it is the first.
    ///
    /// # Safety
    /// GIL; `code` is a code object.
    pub unsafe fn read(&self, code: &Object) -> Option<Rc<Code>> {
        let known = self.code.borrow().as_ref().map(Rc::clone);
        if let Some(known) = known.filter(|known| known.object.as_ptr() == code.as_ptr()) {
            return Some(known);
        }
        // SAFETY: GIL by the caller.
        unsafe {
            let bytecode = code.attribute(c"co_code")?;
            let names = code.attribute(c"co_names")?;
            let statements = Statements::of(super::frame::bytes(bytecode.as_ptr()));
            if self.unread.replace(false) {
                for target in statements.imports().iter().flat_map(|import| &import.targets) {
                    let name = ffi::PyTuple_GetItem(names.as_ptr(), *target as isize);
                    if ffi::PySet_Add(self.expected.as_ptr(), name) < 0 {
                        ffi::PyErr_Clear();
                    }
                }
            }
            let object = Object::borrowed(code.as_ptr())?;
            let read = Rc::new(Code {
                object,
                bytecode,
                names,
                #[cfg(Py_3_11)]
                exception_table: code.attribute(c"co_exceptiontable")?,
                statements,
            });
            self.code.replace(Some(Rc::clone(&read)));
            Some(read)
        }
    }

    /// Whether nothing is pending.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn is_empty(&self) -> bool {
        // SAFETY: GIL by the caller; `names` is a dict.
        unsafe { ffi::PyDict_Size(self.names.as_ptr()) == 0 }
    }
}

/// A map from addresses. (One that hashes with a secret would ask the kernel for it, which would keep a package that installs the mechanism
/// out of images.)
pub type AddressMap<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

/// All modules with pending names.
///
/// Its methods run no Python code, so that nothing changes it while it is in use.
#[derive(Default)]
pub struct Table {
    entries: RefCell<AddressMap<Rc<Pending>>>,
    /// How many entries there are.
    count: Cell<usize>,
}

impl Table {
    /// The pending names of the module with this dict.
    pub fn find(&self, globals: Ptr) -> Option<Rc<Pending>> {
        if self.count.get() == 0 {
            return None;
        }
        self.entries.borrow().get(&(globals as usize)).cloned()
    }

    /// Whether there is an entry for a dict.
    pub fn contains(&self, globals: Ptr) -> bool {
        self.count.get() > 0 && self.entries.borrow().contains_key(&(globals as usize))
    }

    /// Looks at each entry.
    #[cfg(Py_3_12)]
    pub fn for_each(&self, mut look: impl FnMut(&Pending)) {
        self.entries.borrow().values().for_each(|pending| look(pending));
    }

    /// A new entry.
    ///
    /// # Safety
    /// GIL; the dict has none, and [`Table::remove`] is called when it ends.
    pub unsafe fn insert(&self, globals: Ptr, importer: Object, kept_eager: bool) -> Rc<Pending> {
        // SAFETY: GIL by the caller.
        let pending = Rc::new(unsafe {
            Pending {
                globals,
                importer,
                names: object::dict(),
                stores: Cell::new(0),
                code: RefCell::new(None),
                expected: object::set_of_strings(),
                unread: Cell::new(true),
                running: Cell::new(0),
                attached: Cell::new(false),
                complete: Cell::new(false),
                released: Cell::new(false),
                #[cfg(Py_3_12)]
                functions: RefCell::new(Vec::new()),
                #[cfg(Py_3_12)]
                wires: RefCell::default(),
                kept_eager,
            }
        });
        self.entries.borrow_mut().insert(globals as usize, Rc::clone(&pending));
        self.count.set(self.entries.borrow().len());
        pending
    }

    /// Takes an entry out. What it held is freed by the caller, as that may run Python code.
    pub fn remove(&self, globals: Ptr) -> Option<Rc<Pending>> {
        if self.count.get() == 0 {
            return None;
        }
        let removed = self.entries.borrow_mut().remove(&(globals as usize));
        self.count.set(self.entries.borrow().len());
        removed
    }
}

/// Spreads addresses, whose low four bits are zero.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
