//! The modules that are watched, by the number of their name.

use super::counts::{Counted, counted};
use crate::api::Ref;
use crate::intern::{self, Table};
use crate::names;
use std::sync::Mutex;

/// How a module was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum How {
    /// An attribute was read.
    Read = 0,
    /// Code of it began to run.
    Called = 1,
}

/// How it is known that code of a module runs.
pub enum Calls {
    /// It is not.
    Nothing,
    /// CPython tells, as it happens.
    AtOnce,
    /// CPython counts, and the counts are looked at in the end.
    AtEnd(Vec<Counted>),
}

struct Module {
    /// Its address.
    module: usize,
    calls: Calls,
    used: bool,
    /// Whether it was noted that something was taken that cannot be watched.
    taken: bool,
}

/// All of them.
#[derive(Default)]
pub struct Modules {
    loaded: Table<u32, Module>,
    /// Whose code has a file's name, by the number of that.
    files: Table<u32, u32>,
    /// Numbers of the names, by address.
    names: Table<usize, u32>,
}

static MODULES: Mutex<Option<Modules>> = Mutex::new(None);

/// Looks at or changes what is known. `None` where a thread that another one forked away held it.
pub fn change<T>(how: impl FnOnce(&mut Modules) -> T) -> Option<T> {
    let mut modules = MODULES.try_lock().ok()?;
    Some(how(modules.get_or_insert_with(Modules::default)))
}

/// The number of the name of the file that a code object (borrowed) comes from.
pub fn file_of(code: Ref) -> Option<u32> {
    let file = names::FILENAME.of(code)?;
    Some(intern::object(file.get())).filter(|&number| number > 0)
}

/// What is known of who began to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// No module that is watched, or one that is known to be used.
    Settled,
    /// A module whose import has not ended.
    Loading,
    /// A module that was not used yet, by the number of its name.
    Unused(u32),
}

impl Modules {
    /// Code with this file's name is a module's.
    pub fn belongs(&mut self, file: u32, name: u32) {
        self.files.insert(file, name);
    }

    /// A module's import has ended.
    pub fn loaded(&mut self, name: u32, module: Ref, calls: Calls) {
        self.names.insert(module as usize, name);
        let module = Module { module: module as usize, calls, used: false, taken: false };
        self.loaded.insert(name, module);
    }

    /// The number of a module's name.
    pub fn name_of(&self, module: Ref) -> Option<u32> {
        self.names.get(&(module as usize)).copied()
    }

    /// Whose code has a file's name.
    pub fn owner(&self, file: u32) -> Option<u32> {
        self.files.get(&file).copied()
    }

    /// Whose code began to run.
    pub fn running(&self, file: u32) -> Owner {
        match self.owner(file).map(|name| (name, self.loaded.get(&name))) {
            None => Owner::Settled,
            Some((_, None)) => Owner::Loading,
            Some((name, Some(module))) => {
                if module.used {
                    Owner::Settled
                } else {
                    Owner::Unused(name)
                }
            }
        }
    }

    /// A module is used: its address, where that was not known yet.
    pub fn used(&mut self, name: u32) -> Option<usize> {
        let module = self.loaded.get_mut(&name)?;
        (!std::mem::replace(&mut module.used, true)).then_some(module.module)
    }

    /// Something was taken out of a module that cannot be watched: whether that is new.
    pub fn taken(&mut self, name: u32) -> bool {
        let module = self.loaded.get_mut(&name);
        module.is_some_and(|module| !std::mem::replace(&mut module.taken, true))
    }

    /// Names of modules that were not known to be used, and whose functions have run since they were loaded.
    pub fn called(&self) -> Vec<u32> {
        let ran = |module: &Module| match &module.calls {
            Calls::AtEnd(functions) => !module.used && functions.iter().any(counted),
            Calls::Nothing | Calls::AtOnce => false,
        };
        self.loaded.iter().filter(|(_, module)| ran(module)).map(|(&name, _)| name).collect()
    }
}
