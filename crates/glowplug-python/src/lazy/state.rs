//! All that the mechanism keeps, in one place.

use super::Ptr;
use super::events::Events;
use super::pending::Table;
use super::rules::Rules;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Whether imports are lazy that nothing marks as such; the words of `sys.set_lazy_imports`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Only those that `__lazy_modules__` or the settings name.
    Normal,
    /// All.
    All,
}

/// Strings that are looked up again and again, interned.
pub struct Names {
    pub name: Ptr,
    pub package: Ptr,
    pub path: Ptr,
    pub builtins: Ptr,
    pub import: Ptr,
    pub lazy_modules: Ptr,
    pub all: Ptr,
    pub spec: Ptr,
    pub initialising: Ptr,
    pub meta_path: Ptr,
}

/// The mechanism, installed.
pub struct State {
    /// The interpreter that it is installed in.
    interpreter: *mut ffi::PyInterpreterState,
    /// Which imports are lazy.
    pub mode: Cell<Mode>,
    /// What is kept eager and what is made lazy by name.
    pub rules: RefCell<Rules>,
    /// `set_lazy_imports_filter`: owned or NULL.
    pub filter: Cell<Ptr>,
    /// The dict of the module `builtins`.
    pub real_builtins: Ptr,
    /// The dict that holds the keys: the mirror, before 3.11 the real one.
    pub keys_in: Ptr,
    /// The keys by name: a dict.
    pub keys: Ptr,
    /// A key that still holds the value it was last asked for: borrowed from `keys`, or NULL.
    pub answered: Cell<Ptr>,
    /// While it is not zero, keys equal nothing.
    pub quiet: Cell<u32>,
    /// Submodules that `import a.b` has promised, by parent: a dict of sets.
    pub submodules: Ptr,
    /// What lazy statements take from packages, by absolute names, and where these stand: a dict.
    pub taken: Ptr,
    /// Which of these are being imported, each with its thread.
    pub taking: RefCell<Vec<(usize, Object)>>,
    /// `lazy_modules`: a set of the names of modules that are pending somewhere.
    pub lazy_modules: Ptr,
    /// Pending names by module.
    pub table: Table,
    /// Code with names that import when they are looked up.
    #[cfg(Py_3_12)]
    pub tripwires: super::tripwire::Registry,
    /// The log.
    pub events: Events,
    /// Interned strings.
    pub names: Names,
    /// `__import__` as modules with keys see it.
    pub import: Cell<Ptr>,
    /// CPython's own `__import__`.
    pub native_import: Ptr,
    /// The dict of the module `sys`.
    pub sys: Ptr,
    /// The class of the specs that importlib makes.
    pub module_spec: Ptr,
    /// How many entries of sys.meta_path have been looked at.
    pub finders: Cell<(Ptr, isize)>,
}

static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());

/// The mechanism, if it is installed in the running interpreter. Others share CPython's own types with it, and may have a GIL of their own.
pub fn get() -> Option<&'static State> {
    // SAFETY: the state is leaked when it is installed, and never freed; all that changes in it changes under the GIL, which is the caller's
    // if the interpreter is its own.
    unsafe {
        let state = STATE.load(Ordering::Relaxed).as_ref()?;
        (ffi::PyInterpreterState_Get() == state.interpreter).then_some(state)
    }
}

/// The installed mechanism, for code that only it calls.
pub fn installed() -> &'static State {
    // SAFETY: as above.
    unsafe { STATE.load(Ordering::Relaxed).as_ref() }
        .expect("the mechanism is installed before anything calls into it")
}

impl State {
    /// Publishes the state. `mirror` is the dict for the keys.
    ///
    /// # Safety
    /// GIL; nothing has been installed.
    pub unsafe fn publish(
        mode: Mode,
        rules: Rules,
        events: Events,
        keys_in: Ptr,
    ) -> &'static State {
        // SAFETY: GIL by the caller; what is taken here is never given back.
        let state = unsafe {
            let intern = |text: &std::ffi::CStr| ffi::PyUnicode_InternFromString(text.as_ptr());
            Box::leak(Box::new(State {
                interpreter: ffi::PyInterpreterState_Get(),
                mode: Cell::new(mode),
                rules: RefCell::new(rules),
                filter: Cell::new(std::ptr::null_mut()),
                real_builtins: real_builtins(),
                keys_in,
                keys: object::dict().into_ptr(),
                answered: Cell::new(std::ptr::null_mut()),
                quiet: Cell::new(0),
                submodules: object::dict().into_ptr(),
                taken: object::dict().into_ptr(),
                taking: RefCell::default(),
                lazy_modules: object::set_of_strings().into_ptr(),
                table: Table::default(),
                #[cfg(Py_3_12)]
                tripwires: Default::default(),
                events,
                names: Names {
                    name: intern(c"__name__"),
                    package: intern(c"__package__"),
                    path: intern(c"__path__"),
                    builtins: intern(c"__builtins__"),
                    import: intern(c"__import__"),
                    lazy_modules: intern(c"__lazy_modules__"),
                    all: intern(c"__all__"),
                    spec: intern(c"__spec__"),
                    initialising: intern(c"_initializing"),
                    meta_path: intern(c"meta_path"),
                },
                import: Cell::new(std::ptr::null_mut()),
                native_import: ffi::PyDict_GetItemString(real_builtins(), c"__import__".as_ptr()),
                sys: dict_of(c"sys"),
                module_spec: module_spec(),
                finders: Cell::new((std::ptr::null_mut(), 0)),
            }))
        };
        STATE.store(state, Ordering::Relaxed);
        state
    }

    /// Whether keys live in a copy of the builtins.
    pub fn has_mirror(&self) -> bool {
        self.keys_in != self.real_builtins
    }

    /// Does something during which keys equal nothing.
    pub fn quietly<T>(&self, work: impl FnOnce() -> T) -> T {
        self.quiet.set(self.quiet.get() + 1);
        let result = work();
        self.quiet.set(self.quiet.get() - 1);
        result
    }

    /// The module object of a name in sys.modules if `globals` is its dict: `None` for namespaces that are no module's.
    ///
    /// # Safety
    /// GIL; `globals` is a dict.
    pub unsafe fn module_of(&self, globals: Ptr) -> Option<(Object, Object)> {
        // SAFETY: GIL by the caller; what is borrowed is kept at once.
        unsafe {
            let name = Object::borrowed(ffi::PyDict_GetItemWithError(globals, self.names.name))?;
            if ffi::PyUnicode_Check(name.as_ptr()) == 0 {
                return None;
            }
            let modules = ffi::PyImport_GetModuleDict();
            let module = ffi::PyDict_GetItemWithError(modules, name.as_ptr());
            let module = Object::borrowed(module)?;
            let its_own = ffi::PyModule_Check(module.as_ptr()) != 0
                && ffi::PyModule_GetDict(module.as_ptr()) == globals;
            its_own.then_some((name, module))
        }
    }
}

/// The dict of the module `builtins`.
///
/// # Safety
/// GIL.
pub unsafe fn real_builtins() -> Ptr {
    // SAFETY: by the caller.
    unsafe { dict_of(c"builtins") }
}

/// The dict of a module that the interpreter keeps for as long as it lives.
unsafe fn dict_of(module: &std::ffi::CStr) -> Ptr {
    // SAFETY: GIL by the caller.
    unsafe { ffi::PyModule_GetDict(ffi::PyImport_AddModule(module.as_ptr())) }
}

/// `importlib.machinery.ModuleSpec`, which lives as long as the interpreter; NULL where there is none.
unsafe fn module_spec() -> Ptr {
    // SAFETY: GIL by the caller.
    unsafe {
        let class = object::import(c"_frozen_importlib").and_then(|m| m.attribute(c"ModuleSpec"));
        class.map_or(std::ptr::null_mut(), Object::into_ptr)
    }
}

/// An identifier of the running thread.
pub fn thread() -> usize {
    // SAFETY: asks the C library, no more.
    unsafe { libc::pthread_self() as usize }
}
