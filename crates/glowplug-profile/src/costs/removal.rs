//! What is still loaded when a module is taken away.
//!
//! Without a package there is nothing within it either: an import of `a.b` is one of `a`, too. So a package is taken away with all
//! that its name stands in front of, which dominators cannot express: a module within it may well be imported past its body. This
//! is a search of the graph for each package; a module that is no package needs none.

use super::Own;
use crate::model::{Process, Saving};

/// The import graph, to be searched.
pub struct Removal<'a> {
    process: &'a Process,
    imports: Vec<Vec<u32>>,
    roots: Vec<u32>,
}

impl<'a> Removal<'a> {
    /// The graph of a process.
    pub fn of(process: &'a Process) -> Removal<'a> {
        let mut imports = vec![Vec::new(); process.modules.len()];
        for edge in &process.edges {
            imports[edge.importer as usize].push(edge.module);
        }
        let mut removal = Removal { process, imports, roots: vec![0] };
        removal.attach();
        removal
    }

    /// Modules that no recorded import leads to are the program's own.
    fn attach(&mut self) {
        let mut seen = vec![false; self.imports.len()];
        self.reach(0, &mut seen);
        for module in 1..self.imports.len() as u32 {
            if !seen[module as usize] {
                self.roots.push(module);
                self.reach(module, &mut seen);
            }
        }
    }

    /// Marks what a module leads to; what is marked is not entered.
    fn reach(&self, from: u32, seen: &mut [bool]) {
        let mut left = vec![from];
        while let Some(module) = left.pop() {
            if !std::mem::replace(&mut seen[module as usize], true) {
                left.extend(&self.imports[module as usize]);
            }
        }
    }

    /// The module and, if it is a package, all that is within it.
    pub fn within(&self, module: u32) -> Vec<u32> {
        let modules = &self.process.modules;
        let name = modules[module as usize].name.as_str();
        let inside = |&other: &u32| {
            let rest = modules[other as usize].name.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let others = (1..modules.len() as u32).filter(inside);
        std::iter::once(module).chain(others).collect()
    }

    /// What is not loaded without a module, the module first.
    pub fn lost(&self, module: u32) -> Vec<u32> {
        let mut seen = vec![false; self.imports.len()];
        for inside in self.within(module) {
            seen[inside as usize] = true;
        }
        let removed = seen.clone();
        for &root in &self.roots {
            self.reach(root, &mut seen);
        }
        let others = (1..seen.len() as u32)
            .filter(|&other| other != module && (removed[other as usize] || !seen[other as usize]));
        std::iter::once(module).chain(others).collect()
    }

    /// Whether a module has others within it.
    pub fn is_package(&self, module: u32) -> bool {
        self.within(module).len() > 1
    }
}

/// What some modules save.
pub fn saving(own: &Own, modules: &[u32]) -> Saving {
    let mut sum = Saving::default();
    for &module in modules {
        sum += own.saving(module);
    }
    sum
}
