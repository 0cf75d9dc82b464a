//! The log for reports: a line of JSON for each statement that was made lazy and for each name that was used first.
//!
//! ```text
//! {"event":"pending","importer":"app","module":"json","names":["dumps"],"file":"app.py","line":3}
//! {"event":"load","importer":"app","module":"json","name":"dumps","modules":5,"ns":812345,"depth":0,
//!  "file":"app.py","line":9,"function":"main","stack":[["serve","app.py",20]]}
//! {"event":"end","modules":{"json":"/usr/lib/python3.11/json/__init__.py","sys":null}}
//! ```
//!
//! `names` is null for `import json`. `modules` counts what the load added to `sys.modules`, `ns` is its wall time with what was
//! loaded within it, `depth` how many loads it is within; `file`, `line` and `function` say where the name was used. `stack` are the
//! callers of that function, the nearest first; it is there where `depth` is 0.

use super::pending::Pending;
use super::reference::View;
use super::state::State;
use super::{Ptr, frame};
use crate::object::Object;
use pyo3_ffi as ffi;
use std::cell::Cell;
use std::ffi::c_int;
use std::fmt::Write as _;
use std::time::Instant;

/// The log.
#[derive(Default)]
pub struct Events {
    descriptor: Option<c_int>,
    depth: Cell<u32>,
}

impl Events {
    /// A log to an open descriptor, or none.
    pub fn new(descriptor: Option<c_int>) -> Events {
        Events { descriptor, depth: Cell::new(0) }
    }

    /// A statement was made lazy.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn pending(&self, pending: &Pending, view: View, fromlist: Ptr) {
        if self.descriptor.is_none() {
            return;
        }
        // SAFETY: GIL by the caller.
        unsafe {
            let mut line = Line::new("pending");
            line.text("importer", pending.importer.as_ptr());
            line.text("module", view.module());
            line.names(fromlist);
            if let Some(place) = view.place() {
                line.text("file", place.file.as_ptr());
                line.number("line", place.line.into());
            }
            self.write(line);
        }
    }

    /// The program ends: notes which modules are loaded, with their files.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn end(&self) {
        if self.descriptor.is_none() {
            return;
        }
        let mut line = Line::new("end");
        // SAFETY: GIL by the caller; nothing that is called in the loop runs Python code, so that the dict keeps its size.
        unsafe {
            line.modules(ffi::PyImport_GetModuleDict());
        }
        self.write(line);
    }

    fn write(&self, line: Line) {
        let Some(descriptor) = self.descriptor else { return };
        let text = line.0 + "}\n";
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: writes from a live slice. Where the reader is gone, the program goes on without a log.
            let written = unsafe { libc::write(descriptor, rest.as_ptr().cast(), rest.len()) };
            let Ok(written) = usize::try_from(written) else { return };
            rest = &rest[written..];
        }
    }
}

/// A first use that is being resolved.
pub struct FirstUse(Option<Box<Open>>);

struct Open {
    line: Line,
    began: Instant,
    modules: isize,
}

impl FirstUse {
    /// Begins a resolution.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn begin(state: &State, pending: &Pending, view: View, name: Ptr) -> FirstUse {
        if state.events.descriptor.is_none() {
            return FirstUse(None);
        }
        // SAFETY: GIL by the caller.
        unsafe {
            let mut line = Line::new("load");
            line.text("importer", pending.importer.as_ptr());
            line.text("module", view.module());
            line.text("name", name);
            let depth = &state.events.depth;
            let within = depth.replace(depth.get() + 1);
            line.number("depth", within.into());
            if let Some(frame) = frame::Frame::running() {
                line.place(&frame);
                if within == 0 {
                    line.stack(&frame);
                }
            }
            let modules = ffi::PyDict_Size(ffi::PyImport_GetModuleDict());
            FirstUse(Some(Box::new(Open { line, began: Instant::now(), modules })))
        }
    }

    /// It has been resolved. (A failed one is not logged: the next use will be.)
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn end(self, state: &State) {
        let Some(open) = self.0 else { return };
        let Open { mut line, began, modules } = *open;
        // SAFETY: GIL by the caller.
        let now = unsafe { ffi::PyDict_Size(ffi::PyImport_GetModuleDict()) };
        line.number("modules", (now - modules) as i64);
        line.number("ns", i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX));
        state.events.depth.set(state.events.depth.get().saturating_sub(1));
        state.events.write(line);
    }

    /// It has failed.
    pub fn fail(self, state: &State) {
        if self.0.is_some() {
            state.events.depth.set(state.events.depth.get().saturating_sub(1));
        }
    }
}

/// A JSON object that is being written.
struct Line(String);

impl Line {
    fn new(event: &str) -> Line {
        Line(format!("{{\"event\":\"{event}\""))
    }

    fn number(&mut self, key: &str, value: i64) {
        let _ = write!(self.0, ",\"{key}\":{value}");
    }

    unsafe fn text(&mut self, key: &str, value: Ptr) {
        let _ = write!(self.0, ",\"{key}\":");
        // SAFETY: GIL by the caller; `value` is a str or NULL.
        unsafe { self.quoted(value) };
    }

    unsafe fn quoted(&mut self, value: Ptr) {
        // SAFETY: GIL by the caller.
        let bytes = unsafe { Object::borrowed(value).and_then(|value| value.to_bytes()) };
        let Some(bytes) = bytes else {
            // SAFETY: GIL by the caller; a str that cannot be encoded leaves an exception.
            unsafe { ffi::PyErr_Clear() };
            self.0.push_str("null");
            return;
        };
        self.0.push('"');
        for character in String::from_utf8_lossy(&bytes).chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                control if u32::from(control) < 0x20 => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }

    unsafe fn names(&mut self, fromlist: Ptr) {
        // SAFETY: GIL by the caller.
        unsafe {
            if fromlist.is_null() || ffi::PyTuple_Check(fromlist) == 0 {
                self.0.push_str(",\"names\":null");
                return;
            }
            self.0.push_str(",\"names\":[");
            for i in 0..ffi::PyTuple_Size(fromlist) {
                if i > 0 {
                    self.0.push(',');
                }
                self.quoted(ffi::PyTuple_GetItem(fromlist, i));
            }
            self.0.push(']');
        }
    }

    /// The names in `sys.modules`, each with what its module says its file is.
    unsafe fn modules(&mut self, modules: Ptr) {
        self.0.push_str(",\"modules\":{");
        let (mut position, mut name, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        let mut joint = "";
        // SAFETY: GIL by the caller; what the dict lends is used before anything can change it.
        unsafe {
            while ffi::PyDict_Next(modules, &mut position, &mut name, &mut module) != 0 {
                if ffi::PyUnicode_Check(name) == 0 {
                    continue;
                }
                self.0.push_str(joint);
                joint = ",";
                self.quoted(name);
                self.0.push(':');
                let mut file = std::ptr::null_mut();
                if ffi::PyModule_Check(module) != 0 {
                    file = ffi::PyDict_GetItemString(
                        ffi::PyModule_GetDict(module),
                        c"__file__".as_ptr(),
                    );
                }
                self.quoted(if !file.is_null() && ffi::PyUnicode_Check(file) != 0 {
                    file
                } else {
                    std::ptr::null_mut()
                });
            }
        }
        self.0.push('}');
    }

    unsafe fn place(&mut self, frame: &frame::Frame) {
        // SAFETY: GIL by the caller; the frame runs.
        unsafe {
            if let Some(file) = frame.code.attribute(c"co_filename") {
                self.text("file", file.as_ptr());
            }
            self.number("line", frame.line().into());
            if let Some(function) = frame.code.attribute(c"co_name") {
                self.text("function", function.as_ptr());
            }
        }
    }

    /// The callers of a frame: name, file and line of each.
    unsafe fn stack(&mut self, frame: &frame::Frame) {
        self.0.push_str(",\"stack\":[");
        let mut joint = "";
        // SAFETY: GIL by the caller; the frame runs, and so do those that wait for it.
        unsafe {
            let mut next = frame.caller();
            while let Some(caller) = next {
                self.0.push_str(joint);
                joint = ",";
                for (before, attribute) in [("[", c"co_name"), (",", c"co_filename")] {
                    self.0.push_str(before);
                    let text = caller.code.attribute(attribute);
                    self.quoted(text.map_or(std::ptr::null_mut(), |text| text.as_ptr()));
                }
                let _ = write!(self.0, ",{}]", caller.line());
                next = caller.caller();
            }
        }
        self.0.push(']');
    }
}
