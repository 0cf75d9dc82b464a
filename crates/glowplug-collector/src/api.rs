//! The functions of CPython's C API that are used, found by name in the process.
//!
//! All of them are public and have had the same signature since 3.9. Types are opaque: no field of an object is touched, so one
//! build serves all versions.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::OnceLock;

/// A Python object.
#[repr(C)]
pub struct Object {
    _opaque: [u8; 0],
}

/// A reference to a Python object, owned or borrowed as each function says; may be null.
pub type Ref = *mut Object;

/// `PyCFunctionFastWithKeywords`: the object that it is bound to, the arguments, how many are positional, and the names of the others.
// SAFETY: Python alone calls one, with the GIL and as many live arguments as it says.
pub type Function = unsafe extern "C" fn(Ref, *const Ref, isize, Ref) -> Ref;

/// `PyMethodDef`.
#[repr(C)]
pub struct MethodDef {
    /// Name.
    pub name: *const c_char,
    /// What is called.
    pub function: Function,
    /// `METH_…`.
    pub flags: c_int,
    /// Documentation.
    pub doc: *const c_char,
}

// SAFETY: the pointers lead to constants.
unsafe impl Sync for MethodDef {}

/// `METH_FASTCALL | METH_KEYWORDS`.
pub const WITH_KEYWORDS: c_int = 0x82;

/// An allocator's malloc; its context comes first, as with the others.
// SAFETY: it may be called with the context that it is installed with, by any thread; the callers are CPython, and what stands for it.
pub type Malloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
/// An allocator's calloc.
// SAFETY: as for `Malloc`.
pub type Calloc = unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void;
/// An allocator's realloc.
// SAFETY: as for `Malloc`; the block is one of the same allocator's, or null.
pub type Realloc = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void;
/// An allocator's free.
// SAFETY: as for `Realloc`; nobody uses the block any more.
pub type Free = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// `PyMemAllocatorEx`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Allocator {
    /// First argument of the functions.
    pub context: *mut c_void,
    /// As malloc.
    pub malloc: Option<Malloc>,
    /// As calloc.
    pub calloc: Option<Calloc>,
    /// As realloc.
    pub realloc: Option<Realloc>,
    /// As free.
    pub free: Option<Free>,
}

impl Allocator {
    /// The allocator that is in force in a domain (`PYMEM_DOMAIN_…`).
    ///
    /// # Safety
    /// No other thread changes it meanwhile: the caller holds the GIL, or Python is not initialised yet.
    pub unsafe fn in_force(api: &Api, domain: c_int) -> Allocator {
        let mut known = Allocator {
            context: ptr::null_mut(),
            malloc: None,
            calloc: None,
            realloc: None,
            free: None,
        };
        // SAFETY: by the caller; Python fills the structure.
        unsafe { (api.PyMem_GetAllocator)(domain, &raw mut known) };
        known
    }
}

// SAFETY: the context is handed to the functions as it came; that they may be called from any thread is CPython's contract.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

/// `Py_AuditHookFunction`.
// SAFETY: Python alone calls one, with a NUL-ended name, a live tuple and the data that it was given with the hook.
pub type AuditHook = unsafe extern "C" fn(*const c_char, Ref, *mut c_void) -> c_int;

macro_rules! api {
    ($($name:ident: fn($($kind:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions.
        #[allow(non_snake_case, missing_docs, reason = "they are CPython's")]
        pub struct Api {
            // SAFETY: whoever calls one keeps what the C API asks for: the GIL, live objects, NUL-ended names.
            $(pub $name: unsafe extern "C" fn($($kind),*) $(-> $result)?,)*
        }

        impl Api {
            fn find() -> Option<Api> {
                Some(Api {
                    $($name: {
                        let found = symbol(concat!(stringify!($name), "\0"))?;
                        // SAFETY: the C API declares the function of this name so.
                        unsafe {
                            core::mem::transmute::<
                                *mut c_void,
                                // SAFETY: as for the field.
                                unsafe extern "C" fn($($kind),*) $(-> $result)?,
                            >(found)
                        }
                    },)*
                })
            }
        }
    };
}

api! {
    PySys_AddAuditHook: fn(AuditHook, *mut c_void) -> c_int;
    PyImport_GetModuleDict: fn() -> Ref;
    PyDict_GetItem: fn(Ref, Ref) -> Ref;
    PyDict_GetItemString: fn(Ref, *const c_char) -> Ref;
    PyDict_SetItemString: fn(Ref, *const c_char, Ref) -> c_int;
    PyDict_DelItemString: fn(Ref, *const c_char) -> c_int;
    PyObject_GetAttr: fn(Ref, Ref) -> Ref;
    PyObject_GetAttrString: fn(Ref, *const c_char) -> Ref;
    PyObject_SetAttrString: fn(Ref, *const c_char, Ref) -> c_int;
    PyObject_Call: fn(Ref, Ref, Ref) -> Ref;
    PyObject_VectorcallDict: fn(Ref, *const Ref, usize, Ref) -> Ref;
    PyDict_New: fn() -> Ref;
    PyDict_SetItem: fn(Ref, Ref, Ref) -> c_int;
    PyObject_Size: fn(Ref) -> isize;
    PyObject_Type: fn(Ref) -> Ref;
    PyCFunction_NewEx: fn(*const MethodDef, Ref, Ref) -> Ref;
    PyDescr_NewMethod: fn(Ref, *const MethodDef) -> Ref;
    PyTuple_New: fn(isize) -> Ref;
    PyTuple_Size: fn(Ref) -> isize;
    PyTuple_SetItem: fn(Ref, isize, Ref) -> c_int;
    PyTuple_GetItem: fn(Ref, isize) -> Ref;
    PyList_Append: fn(Ref, Ref) -> c_int;
    PyLong_AsLong: fn(Ref) -> i64;
    PyLong_FromLong: fn(i64) -> Ref;
    PyModule_GetDict: fn(Ref) -> Ref;
    PyType_IsSubtype: fn(Ref, Ref) -> c_int;
    PyUnicode_AsUTF8AndSize: fn(Ref, *mut isize) -> *const c_char;
    PyUnicode_InternFromString: fn(*const c_char) -> Ref;
    PyImport_ImportModule: fn(*const c_char) -> Ref;
    PyErr_Fetch: fn(*mut Ref, *mut Ref, *mut Ref);
    PyErr_Restore: fn(Ref, Ref, Ref);
    PyErr_Clear: fn();
    PyEval_GetFrame: fn() -> Ref;
    PyEval_GetBuiltins: fn() -> Ref;
    PyFrame_GetCode: fn(Ref) -> Ref;
    PyFrame_GetBack: fn(Ref) -> Ref;
    PyFrame_GetLineNumber: fn(Ref) -> c_int;
    PyMem_GetAllocator: fn(c_int, *mut Allocator);
    PyMem_SetAllocator: fn(c_int, *const Allocator);
    PyBytes_AsStringAndSize: fn(Ref, *mut *mut c_char, *mut isize) -> c_int;
    // SAFETY: Python calls what it is given once, when it has ended.
    Py_AtExit: fn(unsafe extern "C" fn()) -> c_int;
    Py_IncRef: fn(Ref);
    Py_DecRef: fn(Ref);
    Py_GetVersion: fn() -> *const c_char;
}

static API: OnceLock<Option<Api>> = OnceLock::new();

/// The functions; `None` where this process has no CPython of 3.9 or newer.
pub fn find() -> Option<&'static Api> {
    API.get_or_init(|| {
        // 3.8 lacks it.
        symbol("PyFrame_GetBack\0")?;
        Api::find()
    })
    .as_ref()
}

/// The functions, for who is called by Python.
#[inline]
pub fn api() -> &'static Api {
    match API.get() {
        Some(Some(api)) => api,
        _ => unreachable!("nothing is installed before the functions have been found"),
    }
}

/// Where a symbol of the process lies. `name` ends in a NUL.
pub fn symbol(name: &str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: the name ends in a NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// Bytes from an address in a library's data to the end of what is mapped there of the library; 0 where no library is. The size of a
/// symbol would say it more closely, but to find one by its address the loader goes through all symbols of the library.
pub fn bytes_behind(address: *const c_void) -> usize {
    let mut search = Search { address: address as usize, found: 0 };
    // SAFETY: the callback gets the address of `search` handed on, which lives until the call returns.
    unsafe { libc::dl_iterate_phdr(Some(look_behind), (&raw mut search).cast()) };
    search.found
}

/// What [`bytes_behind`] looks for, and found.
struct Search {
    address: usize,
    found: usize,
}

// SAFETY: called by `dl_iterate_phdr` alone, with what `bytes_behind` passes it.
unsafe extern "C" fn look_behind(
    library: *mut libc::dl_phdr_info,
    _size: usize,
    search: *mut c_void,
) -> c_int {
    // SAFETY: the loader passes a library of its list with as many segments as it says; `bytes_behind` passes the search.
    let (search, base, segments) = unsafe {
        let library = &*library;
        let segments =
            core::slice::from_raw_parts(library.dlpi_phdr, usize::from(library.dlpi_phnum));
        (&mut *search.cast::<Search>(), library.dlpi_addr as usize, segments)
    };
    for segment in segments.iter().filter(|segment| segment.p_type == libc::PT_LOAD) {
        let begin = base + segment.p_vaddr as usize;
        let end = begin + segment.p_memsz as usize;
        if (begin..end).contains(&search.address) {
            search.found = end - search.address;
        }
    }
    c_int::from(search.found > 0)
}

/// The second number of this Python's version.
pub fn minor() -> u32 {
    static MINOR: OnceLock<u32> = OnceLock::new();
    *MINOR.get_or_init(|| {
        // SAFETY: a constant string.
        let version = unsafe { CStr::from_ptr((api().Py_GetVersion)()) }.to_bytes();
        let number = version.split(|&byte| byte == b'.').nth(1).unwrap_or_default();
        number.iter().fold(0, |number, &digit| number * 10 + u32::from(digit.wrapping_sub(b'0')))
    })
}

/// An owned reference.
pub struct Owned(Ref);

impl Owned {
    /// Takes over a reference; `None` for null, where the error that came with it is cleared.
    pub fn take(reference: Ref) -> Option<Owned> {
        if reference.is_null() {
            // SAFETY: callers hold the GIL, as whoever calls the C API does.
            unsafe { (api().PyErr_Clear)() };
            return None;
        }
        Some(Owned(reference))
    }

    /// Takes over a reference that may be null, without an error.
    pub fn take_or_null(reference: Ref) -> Option<Owned> {
        (!reference.is_null()).then_some(Owned(reference))
    }

    /// A reference of our own to what is borrowed; `None` for null.
    pub fn borrowed(reference: Ref) -> Option<Owned> {
        if reference.is_null() {
            return None;
        }
        // SAFETY: the object is alive, as whoever lends it has it, and the caller holds the GIL.
        unsafe { (api().Py_IncRef)(reference) };
        Some(Owned(reference))
    }

    /// The reference, borrowed.
    pub fn get(&self) -> Ref {
        self.0
    }

    /// The reference, handed over.
    pub fn into_raw(self) -> Ref {
        let reference = self.0;
        core::mem::forget(self);
        reference
    }

    /// An attribute.
    pub fn attribute(&self, name: &CStr) -> Option<Owned> {
        attribute(self.0, name)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and who runs this holds the GIL.
        unsafe { (api().Py_DecRef)(self.0) };
    }
}

/// An attribute of a borrowed object.
pub fn attribute(object: Ref, name: &CStr) -> Option<Owned> {
    if object.is_null() {
        return None;
    }
    // SAFETY: the object is alive while its borrower is, the name ends in a NUL, and the caller holds the GIL.
    Owned::take(unsafe { (api().PyObject_GetAttrString)(object, name.as_ptr()) })
}

/// The class of a borrowed object.
pub fn class_of(object: Ref) -> Option<Owned> {
    // SAFETY: called with the GIL on a live object.
    Owned::take(unsafe { (api().PyObject_Type)(object) })
}

/// One of CPython's types, by the name of its symbol, which is looked up once.
pub struct Type(&'static str, OnceLock<usize>);

/// That of classes.
pub static CLASS: Type = Type::new("PyType_Type\0");
/// That of code objects.
pub static CODE: Type = Type::new("PyCode_Type\0");
/// That of functions in Python.
pub static FUNCTION: Type = Type::new("PyFunction_Type\0");
/// That of modules.
pub static MODULE: Type = Type::new("PyModule_Type\0");

impl Type {
    const fn new(symbol: &'static str) -> Type {
        Type(symbol, OnceLock::new())
    }

    /// Null where this CPython has no such symbol.
    fn get(&self) -> Ref {
        *self.1.get_or_init(|| symbol(self.0).map_or(0, |kind| kind as usize)) as Ref
    }

    /// Whether a borrowed object is of this very type.
    pub fn is_that_of(&self, object: Ref) -> bool {
        class_of(object).is_some_and(|class| class.get() == self.get())
    }

    /// Whether a borrowed object is of this type or of one that is derived from it.
    pub fn is_kind_of(&self, object: Ref) -> bool {
        let Some(class) = class_of(object) else { return false };
        if class.get() == self.get() || self.get().is_null() {
            return class.get() == self.get();
        }
        // SAFETY: called with the GIL on two classes.
        unsafe { (api().PyType_IsSubtype)(class.get(), self.get()) != 0 }
    }
}

/// A member of a module's dictionary, past whatever reads its attributes.
pub fn member(module: Ref, name: &CStr) -> Option<Owned> {
    // SAFETY: called with the GIL; what is no module has no dictionary, which is an error and is cleared.
    unsafe {
        let members = (api().PyModule_GetDict)(module);
        if members.is_null() {
            (api().PyErr_Clear)();
            return None;
        }
        Owned::borrowed((api().PyDict_GetItemString)(members, name.as_ptr()))
    }
}

/// A tuple of borrowed objects.
pub fn tuple(parts: &[Ref]) -> Option<Owned> {
    // SAFETY: a tuple as long as the parts, each of which gets a reference of its own; PyTuple_SetItem takes it over.
    unsafe {
        let whole = Owned::take((api().PyTuple_New)(parts.len() as isize))?;
        for (index, &part) in parts.iter().enumerate() {
            (api().Py_IncRef)(part);
            (api().PyTuple_SetItem)(whole.get(), index as isize, part);
        }
        Some(whole)
    }
}

/// `None`, borrowed; looked up once.
pub fn none() -> Ref {
    static NONE: AtomicPtr<Object> = AtomicPtr::new(ptr::null_mut());
    let known = NONE.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    let found: Ref = symbol("_Py_NoneStruct\0").map_or(ptr::null_mut(), <*mut _>::cast);
    NONE.store(found, Ordering::Relaxed);
    found
}

/// The arguments that Python calls a [`Function`] with; all are borrowed.
#[derive(Clone, Copy)]
pub struct Arguments {
    values: *const Ref,
    positional: usize,
    /// A tuple, or null.
    names: Ref,
}

impl Arguments {
    /// Those of a call.
    ///
    /// # Safety
    /// They are what Python called a [`Function`] with, which has not returned yet.
    pub unsafe fn new(values: *const Ref, positional: isize, names: Ref) -> Arguments {
        Arguments { values, positional: usize::try_from(positional).unwrap_or(0), names }
    }

    /// The positional ones.
    pub fn positional(&self) -> &[Ref] {
        if self.positional == 0 {
            return &[];
        }
        // SAFETY: Python passes as many as it says, and they live as long as the call.
        unsafe { core::slice::from_raw_parts(self.values, self.positional) }
    }

    /// A positional one; null where there is none.
    pub fn get(&self, index: usize) -> Ref {
        self.positional().get(index).copied().unwrap_or(ptr::null_mut())
    }

    /// Whether some are passed by name.
    pub fn are_named(&self) -> bool {
        !self.names.is_null()
    }

    /// Calls another function with them. The answer is a new reference, or null and an error.
    pub fn call(&self, function: Ref) -> Ref {
        self.call_with(function, self.positional())
    }

    /// Calls a function with `this` in front of them, as it takes the arguments of a method.
    pub fn call_method(&self, function: Ref, this: Ref) -> Ref {
        /// No method that is called so takes more.
        const MOST: usize = 8;
        let mut whole = [this; MOST];
        let given = &self.positional()[..self.positional.min(MOST - 1)];
        whole[1..=given.len()].copy_from_slice(given);
        self.call_with(function, &whole[..=given.len()])
    }

    fn call_with(&self, function: Ref, positional: &[Ref]) -> Ref {
        let named = self.are_named().then(|| self.named());
        let named = named.as_ref().map_or(ptr::null_mut(), |named| named.0);
        // SAFETY: called with the GIL; the arguments are borrowed from our caller, and the function is alive.
        unsafe {
            (api().PyObject_VectorcallDict)(function, positional.as_ptr(), positional.len(), named)
        }
    }

    /// Those passed by name, as a dictionary.
    fn named(&self) -> Owned {
        // SAFETY: called with the GIL; the values of named arguments lie behind the positional ones, in the order of their names. An
        // exhausted memory leaves an error, with which the call fails.
        unsafe {
            let named = Owned((api().PyDict_New)());
            for index in 0..(api().PyTuple_Size)(self.names) {
                let name = (api().PyTuple_GetItem)(self.names, index);
                let value = *self.values.add(self.positional + index as usize);
                (api().PyDict_SetItem)(named.get(), name, value);
            }
            named
        }
    }
}

/// An item of a tuple, borrowed; null where there is none.
pub fn item(tuple: Ref, index: isize) -> Ref {
    // SAFETY: called with the GIL on a tuple.
    unsafe {
        if index < (api().PyTuple_Size)(tuple) {
            (api().PyTuple_GetItem)(tuple, index)
        } else {
            ptr::null_mut()
        }
    }
}

/// The text of a `str`, borrowed from it; `None` for other objects and lone surrogates.
pub fn text<'a>(object: Ref) -> Option<&'a [u8]> {
    if object.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: any object may be given; for a str the text lives as long as it does, which the callers see to.
    unsafe {
        let start = (api().PyUnicode_AsUTF8AndSize)(object, &raw mut length);
        if start.is_null() {
            (api().PyErr_Clear)();
            return None;
        }
        Some(core::slice::from_raw_parts(start.cast(), length as usize))
    }
}

/// Keeps an error that is being raised out of the way while this lives.
pub struct Raised([Ref; 3]);

impl Raised {
    /// Sets the current error aside, if there is one.
    pub fn set_aside() -> Raised {
        let mut parts = [ptr::null_mut(); 3];
        let [kind, value, traceback] = &mut parts;
        // SAFETY: the three variables take over the references.
        unsafe { (api().PyErr_Fetch)(kind, value, traceback) };
        Raised(parts)
    }

    /// The type of the error, borrowed; null where there is none.
    pub fn kind(&self) -> Ref {
        self.0[0]
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        let [kind, value, traceback] = self.0;
        // SAFETY: hands the references back.
        unsafe { (api().PyErr_Restore)(kind, value, traceback) };
    }
}
