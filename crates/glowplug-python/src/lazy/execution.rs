//! `exec` and `eval`, on 3.11 and later: module bodies and evaluated annotations run with the keys in sight.
//!
//! CPython gives a namespace without `__builtins__` those of whoever runs the code: for a module's body that is importlib.

#[cfg(not(Py_3_11))]
use super::state::State;
use crate::object::{self, Object};
use pyo3_ffi as ffi;
use std::ffi::CStr;

/// A builtin function of the module `builtins`.
///
/// # Safety
/// GIL; the function fits the flags FASTCALL and KEYWORDS.
pub unsafe fn function(
    name: &'static CStr,
    doc: &'static CStr,
    function: ffi::PyMethodDefPointer,
) -> Option<Object> {
    // SAFETY: GIL by the caller; the definition is leaked, as the function needs it for ever.
    unsafe {
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: function,
            ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            ml_doc: doc.as_ptr(),
        }));
        let module = object::loaded_module(c"builtins")?;
        let module_name = object::string(b"builtins");
        Object::owned(ffi::PyCFunction_NewEx(definition, module.as_ptr(), module_name.as_ptr()))
    }
}

/// Nothing to do: the keys are always in sight.
///
/// # Safety
/// None is needed.
#[cfg(not(Py_3_11))]
pub unsafe fn install(_: &State) -> bool {
    true
}

#[cfg(Py_3_11)]
pub use hooked::install;

#[cfg(Py_3_11)]
mod hooked {
    use super::super::errors::Raised;
    use super::super::pending::Pending;
    use super::super::state::{self, State};
    use super::super::{Ptr, functions, mirror, modules};
    use super::{CStr, Object, ffi, function};
    use std::ptr;
    use std::rc::Rc;
    use std::sync::OnceLock;

    /// CPython's own functions, which are never freed.
    struct Originals {
        exec: usize,
        eval: usize,
    }

    static ORIGINALS: OnceLock<Originals> = OnceLock::new();

    /// Replaces both.
    ///
    /// # Safety
    /// GIL; called once.
    pub unsafe fn install(state: &State) -> bool {
        // SAFETY: GIL by the caller.
        unsafe {
            let original = |name: &CStr| {
                let found = ffi::PyDict_GetItemString(state.real_builtins, name.as_ptr());
                Object::borrowed(found)
            };
            let (Some(old_exec), Some(old_eval)) = (original(c"exec"), original(c"eval")) else {
                return false;
            };
            let doc = |function: &Object, name: &'static CStr| {
                // CPython's own text has the signature of this version in front.
                let doc = (*(*function.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml).ml_doc;
                if doc.is_null() { name } else { CStr::from_ptr(doc) }
            };
            let replace = |name: &'static CStr, old: &Object, pointer| {
                let new = function(name, doc(old, name), pointer)?;
                let set = |dict| ffi::PyDict_SetItemString(dict, name.as_ptr(), new.as_ptr()) == 0;
                (set(state.real_builtins) && set(state.keys_in)).then_some(())
            };
            let exec_pointer = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: exec };
            let eval_pointer = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: eval };
            let replaced = replace(c"exec", &old_exec, exec_pointer)
                .and_then(|()| replace(c"eval", &old_eval, eval_pointer));
            let originals = Originals {
                exec: old_exec.into_ptr() as usize,
                eval: old_eval.into_ptr() as usize,
            };
            ORIGINALS.set(originals).is_ok() && replaced.is_some()
        }
    }

    /// The arguments that matter: what is run, and where. Borrowed; NULL where they are missing.
    struct Given {
        source: Ptr,
        globals: Ptr,
        locals: Ptr,
    }

    impl Given {
        unsafe fn read(arguments: *const Ptr, count: isize, keywords: Ptr) -> Given {
            let count = usize::try_from(count).unwrap_or(0);
            // SAFETY: GIL by the caller; vectorcall lays the values of keywords behind the others.
            unsafe {
                let positional = std::slice::from_raw_parts(arguments, count);
                let at = |index: usize| positional.get(index).copied().unwrap_or(ptr::null_mut());
                let mut given = Given { source: at(0), globals: at(1), locals: at(2) };
                let named = if keywords.is_null() { 0 } else { ffi::PyTuple_Size(keywords) };
                for i in 0..named {
                    let value = *arguments.add(count + i as usize);
                    let name = ffi::PyTuple_GetItem(keywords, i);
                    let is = |text: &CStr| {
                        ffi::PyUnicode_CompareWithASCIIString(name, text.as_ptr()) == 0
                    };
                    if is(c"globals") {
                        given.globals = value;
                    } else if is(c"locals") {
                        given.locals = value;
                    }
                }
                given
            }
        }

        /// The namespace, if it is one without builtins of its own.
        unsafe fn bare_globals(&self, state: &State) -> Option<Ptr> {
            // SAFETY: GIL by the caller.
            unsafe {
                let bare = !self.globals.is_null()
                    && ffi::PyDict_CheckExact(self.globals) != 0
                    && ffi::PyDict_Contains(self.globals, state.names.builtins) == 0;
                bare.then_some(self.globals)
            }
        }

        /// Gives a namespace without builtins those with keys where the code may meet pending names, else the real ones.
        unsafe fn give_builtins(&self, state: &State) {
            // SAFETY: GIL by the caller.
            unsafe {
                let Some(globals) = self.bare_globals(state) else { return };
                let has_pending = |dict: Ptr| !dict.is_null() && state.table.contains(dict);
                let builtins = if has_pending(globals) || has_pending(self.locals) {
                    state.keys_in
                } else {
                    state.real_builtins
                };
                if ffi::PyDict_SetItem(globals, state.names.builtins, builtins) < 0 {
                    ffi::PyErr_Clear();
                }
            }
        }
    }

    unsafe extern "C" fn eval(_: Ptr, arguments: *const Ptr, count: isize, keywords: Ptr) -> Ptr {
        // SAFETY: called by CPython.
        unsafe {
            let state = state::installed();
            mirror::keep_in_step(state);
            Given::read(arguments, count, keywords).give_builtins(state);
            let original = ORIGINALS.get().expect("installed").eval as Ptr;
            ffi::PyObject_Vectorcall(original, arguments, count as usize, keywords)
        }
    }

    unsafe extern "C" fn exec(_: Ptr, arguments: *const Ptr, count: isize, keywords: Ptr) -> Ptr {
        // SAFETY: called by CPython; the namespace is kept until its body has ended.
        unsafe {
            let state = state::installed();
            mirror::keep_in_step(state);
            let given = Given::read(arguments, count, keywords);
            let body = body(state, &given);
            given.give_builtins(state);
            let original = ORIGINALS.get().expect("installed").exec as Ptr;
            let result = ffi::PyObject_Vectorcall(original, arguments, count as usize, keywords);
            if let Some((pending, _globals)) = body {
                // What the body has raised stays raised, whatever is asked of functions meanwhile.
                let raised = Raised::take();
                functions::ends(state, &pending);
                raised.restore();
            }
            result
        }
    }

    /// Begins the body of a module, if this is one.
    unsafe fn body(state: &State, given: &Given) -> Option<(Rc<Pending>, Object)> {
        // SAFETY: GIL by the caller.
        unsafe {
            let globals = given.globals;
            if globals.is_null() || ffi::PyDict_Check(globals) == 0 {
                return None;
            }
            let known = state.table.find(globals);
            if known.is_none() && given.bare_globals(state).is_none() {
                return None;
            }
            let pending = match known {
                Some(known) => known,
                None => {
                    let Some((name, _)) = state.module_of(globals) else {
                        ffi::PyErr_Clear();
                        return None;
                    };
                    modules::follow(state, globals, &name)
                }
            };
            if ffi::PyCode_Check(given.source) != 0 {
                pending.read(&Object::borrowed(given.source)?);
            }
            functions::begins(&pending);
            Some((pending, Object::borrowed(globals)?))
        }
    }
}
