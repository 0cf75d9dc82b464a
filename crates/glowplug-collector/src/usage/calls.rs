//! Code that begins to run, as CPython 3.12 and later tell it: `sys.monitoring`'s event `PY_START`, switched off for each code
//! object as soon as it has nothing more to say.

use super::watched::{self, How, Owner};
use super::{in_import_system, used};
use crate::api::{self, Api, Arguments, MethodDef, Owned, Ref, WITH_KEYWORDS, api};
use crate::snapshot::{self, Timed};
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The tool id: neither a debugger's, a coverage tool's, a profiler's, nor an optimiser's.
const TOOL: i64 = 4;
/// Nanoseconds that CPython needs to make a code object tell of its start, and to make it stop. An estimate: nothing in the process can
/// measure it; benches/profile_overhead.py compares the whole.
const INSTRUMENTATION_NS: u64 = 1500;

static TOLD: AtomicBool = AtomicBool::new(false);
/// `sys.monitoring.DISABLE`.
static DISABLE: AtomicPtr<api::Object> = AtomicPtr::new(ptr::null_mut());

/// Whether CPython tells what begins to run.
pub fn are_told() -> bool {
    TOLD.load(Ordering::Relaxed)
}

/// Asks CPython to tell; before 3.12 it cannot, and where another tool has the id it is left to it.
pub fn install(api: &Api) {
    TOLD.store(ask(api).is_some(), Ordering::Relaxed);
}

fn ask(api: &Api) -> Option<()> {
    // SAFETY: called with the GIL; the module is borrowed from sys.modules, and made our own.
    let monitoring = unsafe {
        let modules = (api.PyImport_GetModuleDict)();
        let sys = Owned::borrowed((api.PyDict_GetItemString)(modules, c"sys".as_ptr()))?;
        sys.attribute(c"monitoring")?
    };
    let event = monitoring.attribute(c"events")?.attribute(c"PY_START")?;
    DISABLE.store(monitoring.attribute(c"DISABLE")?.into_raw(), Ordering::Relaxed);
    // SAFETY: called with the GIL; the definition lives as long as the process.
    let (tool, name, callback) = unsafe {
        (
            Owned::take((api.PyLong_FromLong)(TOOL))?,
            Owned::take((api.PyUnicode_InternFromString)(c"glowplug".as_ptr()))?,
            Owned::take((api.PyCFunction_NewEx)(
                &raw const STARTED,
                ptr::null_mut(),
                ptr::null_mut(),
            ))?,
        )
    };
    let call = |function: &CStr, arguments: &[&Owned]| {
        let function = monitoring.attribute(function)?;
        let packed =
            api::tuple(&arguments.iter().map(|argument| argument.get()).collect::<Vec<_>>())?;
        // SAFETY: called with the GIL on live objects.
        Owned::take(unsafe { (api.PyObject_Call)(function.get(), packed.get(), ptr::null_mut()) })
    };
    call(c"use_tool_id", &[&tool, &name])?;
    call(c"register_callback", &[&tool, &event, &callback])?;
    call(c"set_events", &[&tool, &event])?;
    Some(())
}

static STARTED: MethodDef = MethodDef {
    name: c"_started".as_ptr(),
    function: started,
    flags: WITH_KEYWORDS,
    doc: ptr::null(),
};

/// `callback(code, offset)`.
unsafe extern "C" fn started(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let part = Timed::begin();
    let answer = if goes_on(arguments.get(0)) {
        api::none()
    } else {
        snapshot::add(INSTRUMENTATION_NS);
        DISABLE.load(Ordering::Relaxed)
    };
    part.end();
    // SAFETY: a reference of the caller's own.
    unsafe { (api().Py_IncRef)(answer) };
    answer
}

/// Notes who runs; whether the next start of this code object matters as well.
fn goes_on(code: Ref) -> bool {
    let file = watched::file_of(code);
    let owner = file.and_then(|file| watched::change(|modules| modules.running(file)));
    match owner {
        None | Some(Owner::Settled) => false,
        Some(Owner::Loading) => true,
        Some(Owner::Unused(_)) if in_import_system() => true,
        Some(Owner::Unused(name)) => {
            used(name, How::Called);
            false
        }
    }
}
