//! Lazy imports with the semantics of PEP 810 on stock CPython 3.9–3.14.
//!
//! A name that is imported lazily is *pending*: it stays out of its module's dict, so that a load of it falls through to the builtins of
//! the running frame. There a key object with the same hash waits. CPython asks it whether it equals the name; it answers by importing,
//! storing the real object into the module, and handing it to the lookup. From then on the name is an ordinary global.
//!
//! | file | what |
//! |---|---|
//! | `statement.rs` | which import statements of a code object may be lazy |
//! | `import.rs` | `__import__` as seen by modules: makes a statement's names pending, or imports |
//! | `reference.rs` | what a pending name stands for, and its resolution |
//! | `store.rs` | catches the stores of a lazy statement |
//! | `pending.rs` | pending names by module |
//! | `concerned.rs` | which attributes of modules are worth a second look |
//! | `presence.rs` | what `sys.modules` says of a module |
//! | `key.rs` | the keys among the builtins |
//! | `mirror.rs` | the copy of the builtins that holds the keys, 3.11 and later |
//! | `functions.rs` | gives functions the real builtins back as names resolve |
//! | `tripwire.rs` | names in the code of functions that import when they are looked up, 3.12 and later |
//! | `code_objects.rs` | what programs see of such code |
//! | `modules.rs` | attribute access from outside |
//! | `taken.rs` | submodules that `from package import name` would have left in the package |
//! | `rules.rs` | which statements are wanted lazy |
//! | `events.rs` | the log for reports |
//! | `inventory.rs` | what is loaded in the end, for the log |
//! | `errors.rs` | exceptions at first use show the import statement |
//! | `execution.rs` | `exec` and `eval` |
//! | `listing.rs` | `dir()` |
//! | `install.rs`, `run.rs` | the way into an interpreter |
//! | `own.rs` | from 3.15 on instead of all other files: the interpreter's own lazy imports |
//! | `control.rs` | what `glowplug.lazy` calls |
//! | `state.rs` | all of it in one place |
//! | `frame.rs`, `opcodes.rs`, `types.rs` | layouts of CPython |

#[cfg(all(Py_3_12, not(Py_3_15)))]
mod code_objects;
#[cfg(not(Py_3_15))]
mod concerned;
#[cfg(not(Py_3_15))]
pub mod control;
#[cfg(not(Py_3_15))]
mod errors;
#[cfg(not(Py_3_15))]
mod events;
#[cfg(not(Py_3_15))]
mod execution;
#[cfg(not(Py_3_15))]
mod frame;
#[cfg(not(Py_3_15))]
mod functions;
#[cfg(not(Py_3_15))]
mod import;
#[cfg(not(Py_3_15))]
mod install;
#[cfg(not(Py_3_15))]
mod inventory;
#[cfg(not(Py_3_15))]
mod key;
#[cfg(not(Py_3_15))]
mod listing;
#[cfg(not(Py_3_15))]
mod mirror;
#[cfg(not(Py_3_15))]
mod modules;
#[cfg(not(Py_3_15))]
mod opcodes;
#[cfg(Py_3_15)]
mod own;
#[cfg(not(Py_3_15))]
mod pending;
#[cfg(not(Py_3_15))]
mod presence;
#[cfg(not(Py_3_15))]
mod reference;
#[cfg(not(Py_3_15))]
mod rules;
mod run;
#[cfg(not(Py_3_15))]
mod state;
#[cfg(not(Py_3_15))]
mod statement;
#[cfg(not(Py_3_15))]
mod store;
#[cfg(not(Py_3_15))]
mod taken;
#[cfg(all(Py_3_12, not(Py_3_15)))]
mod tripwire;
#[cfg(not(Py_3_15))]
mod types;

pub use run::{KIND, run};

#[cfg(not(Py_3_15))]
use pyo3_ffi as ffi;

/// A pointer to an object; whether it is owned, borrowed or NULL stands where it is used.
#[cfg(not(Py_3_15))]
type Ptr = *mut ffi::PyObject;
