//! What is still loaded when a module is taken away.
//!
//! Without a package there is nothing within it either: an import of `a.b` is one of `a`, too. So a package is taken away with all
//! that its name stands in front of. An import in a function is carried out if somebody calls the function, and one by importlib if
//! that is there. Dominators express neither, so this is a search of the graph for each module.

use super::Own;
use crate::model::{Edge, Process, Saving};

/// The import graph, to be searched.
pub struct Removal<'a> {
    process: &'a Process,
    /// By module, the edges that its being loaded is a condition of, each behind the module that it leads to: that is loaded already
    /// mostly, and then the edge need not be looked at.
    conditions: Vec<Vec<(u32, &'a Edge)>>,
    roots: Vec<u32>,
}

/// What is loaded, and what is taken away.
struct Search {
    is_loaded: Vec<bool>,
    is_removed: Vec<bool>,
}

impl Search {
    fn new(modules: usize) -> Search {
        Search { is_loaded: vec![false; modules], is_removed: vec![false; modules] }
    }

    /// Whether all that an import needs is loaded.
    fn is_carried_out(&self, edge: &Edge) -> bool {
        let is_loaded = |&module: &u32| self.is_loaded[module as usize];
        is_loaded(&edge.importer)
            && (edge.during.is_empty() || edge.during.iter().any(is_loaded))
            && edge.by.as_ref().is_none_or(is_loaded)
    }
}

impl<'a> Removal<'a> {
    /// The graph of a process.
    pub fn of(process: &'a Process) -> Removal<'a> {
        let mut conditions = vec![Vec::new(); process.modules.len()];
        for edge in &process.edges {
            let others = edge.during.iter().chain(&edge.by);
            for &module in std::iter::once(&edge.importer).chain(others) {
                conditions[module as usize].push((edge.module, edge));
            }
        }
        let mut removal = Removal { process, conditions, roots: vec![0] };
        removal.attach();
        removal
    }

    /// Modules that no recorded import leads to are the program's own.
    fn attach(&mut self) {
        let mut search = Search::new(self.conditions.len());
        self.load(0, &mut search);
        for module in 1..self.conditions.len() as u32 {
            if !search.is_loaded[module as usize] {
                self.roots.push(module);
                self.load(module, &mut search);
            }
        }
    }

    /// Loads a module and what it leads to, past what is taken away.
    fn load(&self, root: u32, search: &mut Search) {
        let mut left = vec![root];
        while let Some(module) = left.pop() {
            let index = module as usize;
            if search.is_removed[index] || std::mem::replace(&mut search.is_loaded[index], true) {
                continue;
            }
            let carried_out = self.conditions[index].iter().filter(|(leads_to, edge)| {
                !search.is_loaded[*leads_to as usize] && search.is_carried_out(edge)
            });
            left.extend(carried_out.map(|&(leads_to, _)| leads_to));
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

    /// What is not loaded without a module, the module first; without the program, nothing is.
    pub fn lost(&self, module: u32) -> Vec<u32> {
        if module == 0 {
            return (0..self.conditions.len() as u32).collect();
        }
        let mut search = Search::new(self.conditions.len());
        for inside in self.within(module) {
            search.is_removed[inside as usize] = true;
        }
        for &root in &self.roots {
            self.load(root, &mut search);
        }
        let others = (1..self.conditions.len() as u32)
            .filter(|&other| other != module && !search.is_loaded[other as usize]);
        std::iter::once(module).chain(others).collect()
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
