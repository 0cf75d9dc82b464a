//! What stands for the steps of an import: each calls the function that it stands for, unchanged, and takes notes around it.
//!
//! They are built-in functions, so they add no frame to a traceback.

use crate::api::{self, Arguments, MethodDef, Owned, Raised, Ref, WITH_KEYWORDS, api, none};
use crate::codes;
use crate::counters;
use crate::intern;
use crate::names;
use crate::sites::{self, Form, Import, Site};
use crate::snapshot::{self, Clocks, Timed, clocks, snapshot};
use crate::trace::{self, IN_FUNCTION, Kind};
use crate::usage;
use core::cell::Cell;
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A step's function and what it stands for.
pub struct Step {
    /// How it is made.
    pub definition: MethodDef,
    original: AtomicPtr<api::Object>,
}

impl Step {
    const fn new(name: &'static CStr, function: api::Function) -> Step {
        Step {
            definition: MethodDef {
                name: name.as_ptr(),
                function,
                flags: WITH_KEYWORDS,
                doc: ptr::null(),
            },
            original: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Says what it stands for; the reference is kept.
    pub fn stands_for(&self, original: Owned) {
        self.original.store(original.into_raw(), Ordering::Relaxed);
    }

    fn original(&self) -> Ref {
        self.original.load(Ordering::Relaxed)
    }

    fn call(&self, arguments: &Arguments) -> Ref {
        arguments.call(self.original())
    }

    /// Calls it as a method of an object.
    fn call_of(&self, this: Ref, arguments: &Arguments) -> Ref {
        arguments.call_method(self.original(), this)
    }
}

/// `builtins.__import__`.
pub static IMPORT: Step = Step::new(c"__import__", import);
/// `importlib._bootstrap._find_and_load`.
pub static FIND_AND_LOAD: Step = Step::new(c"_find_and_load", find_and_load);
/// `importlib._bootstrap._find_spec`.
pub static FIND_SPEC: Step = Step::new(c"_find_spec", find_spec);
/// `importlib._bootstrap._call_with_frames_removed`.
pub static CALL: Step = Step::new(c"_call_with_frames_removed", call);
/// `importlib._bootstrap._load_unlocked`.
pub static LOAD: Step = Step::new(c"_load_unlocked", load_unlocked);
/// `importlib._bootstrap_external._compile_bytecode`.
pub static UNMARSHAL: Step = Step::new(c"_compile_bytecode", unmarshal);
/// `importlib._bootstrap_external.FileLoader.get_data`.
pub static GET_DATA: Step = Step::new(c"get_data", get_data);
/// `importlib._bootstrap_external.FileFinder.find_spec`.
pub static FINDER: Step = Step::new(c"find_spec", finder);
/// `zipimport._get_data`.
pub static ZIP_DATA: Step = Step::new(c"_get_data", zip_data);
/// `zipimport._unmarshal_code`.
pub static ZIP_UNMARSHAL: Step = Step::new(c"_unmarshal_code", zip_unmarshal);
/// `zipimport._compile_source`.
pub static ZIP_COMPILE: Step = Step::new(c"_compile_source", zip_compile);
/// A member of `gc.callbacks`.
pub static COLLECTION: MethodDef = MethodDef {
    name: c"_collection".as_ptr(),
    function: collection,
    flags: WITH_KEYWORDS,
    doc: ptr::null(),
};

/// Phases; the reader has the same numbers.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Phase {
    Find = 1,
    Read = 2,
    Unmarshal = 3,
    Compile = 4,
    Body = 5,
}

fn phase(phase: Phase, step: impl FnOnce() -> Ref) -> Ref {
    let Clocks { wall_ns, cpu_ns } = clocks();
    trace::note(Kind::PhaseBegin, 0, phase as u32, &[&[wall_ns, cpu_ns]]);
    let outcome = step();
    let Clocks { wall_ns, cpu_ns } = clocks();
    trace::note(Kind::PhaseEnd, 0, phase as u32, &[&[wall_ns, cpu_ns]]);
    outcome
}

/// A phase without steps of others within it: one record.
fn short_phase(phase: Phase, step: impl FnOnce() -> Ref) -> Ref {
    let begin = clocks();
    let outcome = step();
    let spent = clocks().since(begin);
    trace::note(Kind::PhaseEnd, 1, phase as u32, &[&spent]);
    outcome
}

unsafe extern "C" fn import(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    if IS_READING.get() && is_loaded(arguments.get(0)) {
        return IMPORT.call(&arguments);
    }
    let part = Timed::begin();
    let (name, globals, from, level) =
        (arguments.get(0), arguments.get(1), arguments.get(3), arguments.get(4));
    let from = if from == none() { ptr::null_mut() } else { from };
    let level = if level.is_null() {
        0
    } else {
        // SAFETY: level is an int where it is given; anything else is an error, which is cleared for the original to raise it.
        unsafe {
            let level = (api().PyLong_AsLong)(level);
            if level == -1 {
                (api().PyErr_Clear)();
            }
            level
        }
    };
    let site = sites::of_frame(if globals == none() { ptr::null_mut() } else { globals });
    let is_statement = !globals.is_null() && !arguments.are_named() && !arguments.get(4).is_null();
    let form = if is_statement { Form::Statement } else { Form::Call };
    let before = sites::enter(site);
    part.end();
    let within = usage::ImportSystem::enter();
    let outcome = IMPORT.call(&arguments);
    drop(within);
    let part = Timed::begin();
    sites::enter(before);
    note_edge(&site, &Import { name, level, from, form }, outcome);
    if !outcome.is_null() {
        usage::imported(outcome, from);
    }
    part.end();
    outcome
}

unsafe extern "C" fn find_and_load(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let name = arguments.get(0);
    // Only importlib.import_module comes here without our `__import__` around it.
    let by_call = arguments.get(1) != IMPORT.original();
    let call = by_call.then(|| {
        let part = Timed::begin();
        let site = sites::of_frame(ptr::null_mut());
        part.end();
        (site, sites::enter(site))
    });
    let within = usage::ImportSystem::enter();
    let outcome =
        if is_loaded(name) { FIND_AND_LOAD.call(&arguments) } else { load(name, &arguments) };
    drop(within);
    if let Some((site, before)) = call {
        let part = Timed::begin();
        sites::enter(before);
        let import = Import { name, level: 0, from: ptr::null_mut(), form: Form::Importlib };
        note_edge(&site, &import, outcome);
        part.end();
    }
    outcome
}

/// Notes an import that is over, also one that has failed.
fn note_edge(site: &Site, import: &Import, outcome: Ref) {
    let raised = outcome.is_null().then(Raised::set_aside);
    sites::note_edge(site, import, outcome);
    drop(raised);
}

/// Whether `sys.modules` has a name.
fn is_loaded(name: Ref) -> bool {
    // SAFETY: called with the GIL; both references are borrowed. A subclass of dict as sys.modules is looked into as a dict.
    unsafe {
        let modules = (api().PyImport_GetModuleDict)();
        !name.is_null() && !modules.is_null() && !(api().PyDict_GetItem)(modules, name).is_null()
    }
}

fn load(name: Ref, arguments: &Arguments) -> Ref {
    let site = sites::current();
    let flags = if site.in_function { IN_FUNCTION } else { 0 };
    let number = intern::object(name);
    let begin = snapshot();
    let part = Timed::begin();
    trace::note(Kind::LoadBegin, flags, number, &[&site.words(), &begin]);
    let usage = usage::Load::begin(number);
    let outer = (codes::begin_load(), sites::enter_load(number));
    part.end();
    let outcome = FIND_AND_LOAD.call(arguments);
    let part = Timed::begin();
    codes::end_load(outer.0);
    sites::enter_load(outer.1);
    let raised = if outcome.is_null() { exception() } else { 0 };
    usage.end(outcome);
    part.end();
    trace::note(Kind::LoadEnd, 0, raised, &[&snapshot(), &snapshot::collected()]);
    outcome
}

/// The number of the name of the type that is being raised.
fn exception() -> u32 {
    let raised = Raised::set_aside();
    let number = api::attribute(raised.kind(), c"__name__").map(|name| intern::object(name.get()));
    number.unwrap_or_else(|| intern::text(b"BaseException"))
}

unsafe extern "C" fn find_spec(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    phase(Phase::Find, || FIND_SPEC.call(&arguments))
}

/// Kinds of functions that importlib calls through `_call_with_frames_removed`, by address; found when it is installed.
#[derive(Default)]
pub struct Called {
    /// `exec`, `_imp.exec_dynamic`, `_imp.create_dynamic` and the like.
    pub bodies: [AtomicPtr<api::Object>; 5],
    /// `compile`.
    pub compile: AtomicPtr<api::Object>,
    /// `_imp.get_frozen_object`.
    pub frozen: AtomicPtr<api::Object>,
}

/// The functions of this interpreter.
pub static CALLED: Called = Called {
    bodies: [const { AtomicPtr::new(ptr::null_mut()) }; 5],
    compile: AtomicPtr::new(ptr::null_mut()),
    frozen: AtomicPtr::new(ptr::null_mut()),
};

unsafe extern "C" fn call(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let function = arguments.get(0);
    let is = |known: &AtomicPtr<api::Object>| {
        known.load(Ordering::Relaxed) == function && !function.is_null()
    };
    let step = || CALL.call(&arguments);
    if CALLED.bodies.iter().any(is) {
        let is_code = is(&CALLED.bodies[0]);
        let part = Timed::begin();
        usage::body(if is_code { arguments.get(1) } else { ptr::null_mut() });
        part.end();
        phase(Phase::Body, step)
    } else if is(&CALLED.compile) {
        phase(Phase::Compile, step)
    } else if is(&CALLED.frozen) {
        with_code(short_phase(Phase::Unmarshal, step))
    } else {
        step()
    }
}

/// The code of a module was found, by a step behind which its body runs unseen.
fn with_code(code: Ref) -> Ref {
    if !code.is_null() {
        usage::body(code);
    }
    code
}

unsafe extern "C" fn load_unlocked(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let part = Timed::begin();
    note_spec(arguments.get(0));
    part.end();
    LOAD.call(&arguments)
}

fn note_spec(spec: Ref) {
    let number =
        |attribute: Option<Owned>| attribute.map_or(0, |value| intern::object(value.get()));
    let name = number(names::SPEC_NAME.of(spec));
    let origin = number(names::ORIGIN.of(spec));
    let loader = names::LOADER.of(spec).and_then(|loader| {
        // Built-in and frozen modules have a class for a loader.
        let class =
            if api::CLASS.is_kind_of(loader.get()) { loader } else { api::class_of(loader.get())? };
        names::NAME.of(class.get())
    });
    let package = names::LOCATIONS.of(spec).is_some_and(|value| value.get() != none());
    let words = [u64::from(origin) << 32 | u64::from(number(loader))];
    trace::note(Kind::Spec, u8::from(package), name, &[&words]);
}

unsafe extern "C" fn unmarshal(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    short_phase(Phase::Unmarshal, || UNMARSHAL.call(&arguments))
}

thread_local! {
    /// Whether importlib is reading a file. To open it, C code imports `_io` each time, which is nobody's import.
    static IS_READING: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" fn get_data(this: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let before = IS_READING.replace(true);
    let outcome = short_phase(Phase::Read, || GET_DATA.call_of(this, &arguments));
    IS_READING.set(before);
    let part = Timed::begin();
    note_data(arguments.get(0), outcome);
    part.end();
    outcome
}

fn note_data(path: Ref, outcome: Ref) {
    let found = !outcome.is_null();
    // SAFETY: bytes have a length; what has none is an error, which is cleared.
    let length = if found { unsafe { (api().PyObject_Size)(outcome) }.max(0) } else { 0 };
    let raised = (!found).then(Raised::set_aside);
    trace::note(Kind::Data, u8::from(found), intern::object(path), &[&[length as u64]]);
    drop(raised);
}

unsafe extern "C" fn finder(this: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    let begin = snapshot::clock(libc::CLOCK_MONOTONIC);
    let outcome = FINDER.call_of(this, &arguments);
    let spent = snapshot::clock(libc::CLOCK_MONOTONIC) - begin;
    let part = Timed::begin();
    let found = !outcome.is_null() && outcome != none();
    let raised = Raised::set_aside();
    // SAFETY: `this` is a FileFinder, and the caller holds the GIL.
    let path = Owned::take(unsafe { (api().PyObject_GetAttr)(this, names::PATH.get()) });
    let number = path.map_or(0, |path| intern::object(path.get()));
    trace::note(Kind::Lookup, u8::from(found), number, &[&[spent]]);
    drop(raised);
    part.end();
    outcome
}

unsafe extern "C" fn zip_data(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    short_phase(Phase::Read, || ZIP_DATA.call(&arguments))
}

unsafe extern "C" fn zip_unmarshal(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    with_code(short_phase(Phase::Unmarshal, || ZIP_UNMARSHAL.call(&arguments)))
}

unsafe extern "C" fn zip_compile(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    with_code(phase(Phase::Compile, || ZIP_COMPILE.call(&arguments)))
}

/// `callback(phase, info)`, called by the garbage collector when it starts and stops.
unsafe extern "C" fn collection(_: Ref, values: *const Ref, count: isize, names: Ref) -> Ref {
    // SAFETY: Python calls this.
    let arguments = unsafe { Arguments::new(values, count, names) };
    thread_local! {
        static BEGAN: Cell<u64> = const { Cell::new(0) };
    }
    let part = Timed::begin();
    let now = snapshot::clock(libc::CLOCK_THREAD_CPUTIME_ID);
    let began = BEGAN.with(|began| began.replace(now));
    if api::text(arguments.get(0)) == Some(b"stop") && began > 0 {
        counters::add(|counters| counters.gc_ns += now - began);
    }
    part.end();
    let none = none();
    // SAFETY: a reference of the caller's own.
    unsafe { (api().Py_IncRef)(none) };
    none
}
