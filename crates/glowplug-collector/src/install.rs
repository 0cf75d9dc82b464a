//! Puts the steps of `steps` in place of importlib's, as soon as there is an importlib.

use crate::api::{self, Api, MethodDef, Owned, Ref};
use crate::counters;
use crate::environment::REQUESTED;
use crate::hooks::allocated;
use crate::snapshot::{Timed, clock};
use crate::steps::{self, Step};
use crate::trace::{self, Kind};
use crate::usage;
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether the steps are installed.
pub fn is_done() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Installs the steps, once, at the first import for which importlib and zipimport are there: that of `encodings`. Whether it has done
/// so now.
pub fn when_ready(api: &'static Api) -> bool {
    // SAFETY: called by Python while it imports, so with the GIL; the references are borrowed.
    let modules = unsafe { (api.PyImport_GetModuleDict)() };
    let module = |name: &CStr| -> Option<Owned> {
        // SAFETY: as above; the reference is made our own.
        unsafe {
            let module = (api.PyDict_GetItemString)(modules, name.as_ptr());
            Owned::borrowed(module)
        }
    };
    let (Some(bootstrap), Some(external), Some(zip)) =
        (module(c"_frozen_importlib"), module(c"_frozen_importlib_external"), module(c"zipimport"))
    else {
        return false;
    };
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return false;
    }
    Timed::calibrate();
    note_prices();
    watch_collections(api, modules);
    know_called(api, module(c"_imp").as_ref());
    function(api, &bootstrap, c"_find_and_load", &steps::FIND_AND_LOAD);
    function(api, &bootstrap, c"_find_spec", &steps::FIND_SPEC);
    function(api, &bootstrap, c"_load_unlocked", &steps::LOAD);
    function(api, &bootstrap, c"_call_with_frames_removed", &steps::CALL);
    function(api, &external, c"_compile_bytecode", &steps::UNMARSHAL);
    method(api, &external, c"FileLoader", c"get_data", &steps::GET_DATA);
    method(api, &external, c"FileFinder", c"find_spec", &steps::FINDER);
    function(api, &zip, c"_get_data", &steps::ZIP_DATA);
    function(api, &zip, c"_unmarshal_code", &steps::ZIP_UNMARSHAL);
    function(api, &zip, c"_compile_source", &steps::ZIP_COMPILE);
    import(api);
    if REQUESTED.get().is_some_and(|request| request.usage) {
        usage::install(api);
    }
    crate::hooks::count_allocations(api);
    true
}

/// Replaces a function of a module.
fn function(api: &Api, module: &Owned, name: &CStr, step: &'static Step) {
    let Some(original) = module.attribute(name) else { return };
    step.stands_for(original);
    // SAFETY: the definition lives as long as the process; called with the GIL.
    if let Some(made) = Owned::take(unsafe {
        (api.PyCFunction_NewEx)(&raw const step.definition, ptr::null_mut(), ptr::null_mut())
    }) {
        set(api, module.get(), name, &made);
    }
}

/// Replaces a method of a class.
fn method(api: &Api, module: &Owned, class: &CStr, name: &CStr, step: &'static Step) {
    let Some(class) = module.attribute(class) else { return };
    let Some(original) = class.attribute(name) else { return };
    step.stands_for(original);
    // SAFETY: as in `function`; the class is a type.
    let made = unsafe { (api.PyDescr_NewMethod)(class.get(), &raw const step.definition) };
    if let Some(made) = Owned::take(made) {
        set(api, class.get(), name, &made);
    }
}

fn set(api: &Api, object: Ref, name: &CStr, value: &Owned) {
    // SAFETY: called with the GIL on live objects; an error means that the step is not replaced, and is cleared.
    unsafe {
        if (api.PyObject_SetAttrString)(object, name.as_ptr(), value.get()) != 0 {
            (api.PyErr_Clear)();
        }
    }
}

/// Replaces `builtins.__import__`.
fn import(api: &Api) {
    // SAFETY: called with the GIL; the dictionary is borrowed, and so is what is in it until it is made our own.
    unsafe {
        let builtins = (api.PyEval_GetBuiltins)();
        let name = c"__import__".as_ptr();
        let original = (api.PyDict_GetItemString)(builtins, name);
        if original.is_null() {
            return;
        }
        (api.Py_IncRef)(original);
        if let Some(original) = Owned::take(original) {
            steps::IMPORT.stands_for(original);
        }
        let module = (api.PyUnicode_InternFromString)(c"builtins".as_ptr());
        let made =
            (api.PyCFunction_NewEx)(&raw const steps::IMPORT.definition, ptr::null_mut(), module);
        if let Some(made) = Owned::take(made) {
            (api.PyDict_SetItemString)(builtins, name, made.get());
        }
    }
}

/// Learns which functions importlib calls for what.
fn know_called(api: &Api, imp: Option<&Owned>) {
    // SAFETY: called with the GIL; built-in functions live as long as the interpreter, and these are held on top of that.
    unsafe {
        let builtins = (api.PyEval_GetBuiltins)();
        let builtin = |name: &CStr| {
            let found = (api.PyDict_GetItemString)(builtins, name.as_ptr());
            if !found.is_null() {
                (api.Py_IncRef)(found);
            }
            found
        };
        steps::CALLED.compile.store(builtin(c"compile"), Ordering::Relaxed);
        steps::CALLED.bodies[0].store(builtin(c"exec"), Ordering::Relaxed);
    }
    let of_imp = |name: &CStr| {
        imp.and_then(|imp| imp.attribute(name)).map_or(ptr::null_mut(), Owned::into_raw)
    };
    let names = [c"exec_dynamic", c"create_dynamic", c"exec_builtin", c"create_builtin"];
    for (slot, name) in steps::CALLED.bodies[1..].iter().zip(names) {
        slot.store(of_imp(name), Ordering::Relaxed);
    }
    steps::CALLED.frozen.store(of_imp(c"get_frozen_object"), Ordering::Relaxed);
}

/// Adds a callback to the garbage collector's, without leaving `gc` in `sys.modules`, where the program would see it.
fn watch_collections(api: &Api, modules: Ref) {
    let definition: &'static MethodDef = &steps::COLLECTION;
    // SAFETY: called with the GIL.
    unsafe {
        let before = (api.PyDict_GetItemString)(modules, c"gc".as_ptr());
        let collector = made_gc(api, modules)
            .or_else(|| Owned::take((api.PyImport_ImportModule)(c"gc".as_ptr())));
        let callbacks = collector.and_then(|collector| collector.attribute(c"callbacks"));
        let callback =
            Owned::take((api.PyCFunction_NewEx)(definition, ptr::null_mut(), ptr::null_mut()));
        if let (Some(callbacks), Some(callback)) = (callbacks, callback) {
            (api.PyList_Append)(callbacks.get(), callback.get());
        }
        if before.is_null() && (api.PyDict_DelItemString)(modules, c"gc".as_ptr()) != 0 {
            (api.PyErr_Clear)();
        }
    }
}

/// The module `gc`, made as importlib makes it, but without the search for it, which takes longer.
fn made_gc(api: &Api, modules: Ref) -> Option<Owned> {
    let module = |name: &CStr| {
        // SAFETY: called with the GIL; what is found is borrowed, and made our own.
        unsafe { Owned::borrowed((api.PyDict_GetItemString)(modules, name.as_ptr())) }
    };
    let call = |function: Owned, arguments: &[Ref]| {
        let packed = api::tuple(arguments)?;
        // SAFETY: called with the GIL on live objects.
        Owned::take(unsafe { (api.PyObject_Call)(function.get(), packed.get(), ptr::null_mut()) })
    };
    let imp = module(c"_imp")?;
    // SAFETY: called with the GIL; the name ends in a NUL.
    let name = Owned::take(unsafe { (api.PyUnicode_InternFromString)(c"gc".as_ptr()) })?;
    let spec = module(c"_frozen_importlib")?.attribute(c"ModuleSpec")?;
    let spec = call(spec, &[name.get(), api::none()])?;
    let made = call(imp.attribute(c"create_builtin")?, &[spec.get()])?;
    call(imp.attribute(c"exec_builtin")?, &[made.get()])?;
    Some(made)
}

/// Measures what the count of an allocation and that of an attribute's read cost here, picoseconds.
fn note_prices() {
    const COUNTS: u64 = 512;
    let now = || clock(libc::CLOCK_THREAD_CPUTIME_ID);
    let moments = [
        now(),
        repeat(COUNTS, || allocated(std::hint::black_box(0)), now),
        repeat(COUNTS, || usage::count(std::hint::black_box(ptr::null_mut())), now),
    ];
    usage::READS.store(0, Ordering::Relaxed);
    counters::add(|counters| counters.allocations -= COUNTS);
    let price = |index: usize| (moments[index] - moments[index - 1]) * 1000 / COUNTS;
    trace::note(Kind::Price, 0, 0, &[&[price(1), price(2)]]);
}

fn repeat<T>(times: u64, mut what: impl FnMut() -> T, now: impl Fn() -> u64) -> u64 {
    for _ in 0..times {
        std::hint::black_box(what());
    }
    now()
}
