//! What follows from the self costs and the import graph: cumulative and exclusive costs, cycles.
//!
//! **Exclusive cost** of a module is what the program would save if nothing imported it, nor, where it is a package, anything within
//! it: what everything that can then no longer be reached from the program costs by itself, see [`Own`] and [`removal`]. An import of
//! a module that is loaded already is an edge like any other, which is why it is not the cost that the first importer is charged.
//! Which module every path leads through ([`Dominators`]) is asked where the findings are made.

use crate::model::{Cost, Module, Process, Saving};
use petgraph::algo::{dominators, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Dfs;
use removal::Removal;

pub mod removal;

/// Fills in everything that follows from self costs, threads' costs outside of imports, and edges.
pub fn derive(process: &mut Process) {
    threads(process);
    cumulative(process);
    cycles(process);
    let own = Own::of(process);
    let removal = Removal::of(process);
    let savings: Vec<Saving> = (0..process.modules.len() as u32)
        .map(|module| removal::saving(&own, &removal.lost(module)))
        .collect();
    for (module, saving) in process.modules.iter_mut().zip(savings) {
        module.exclusive = saving;
    }
}

/// A thread's total is what its modules cost and what it cost outside of imports.
fn threads(process: &mut Process) {
    if let Some(program) = process.modules.first() {
        process.threads[0].outside = program.own;
    }
    for thread in &mut process.threads {
        thread.total = thread.outside;
    }
    for module in process.modules.iter().skip(1) {
        process.threads[module.thread as usize].total += module.own;
    }
    process.cpu_ns = process.threads.iter().map(|thread| thread.total.cpu_ns).sum();
}

fn cumulative(process: &mut Process) {
    let modules = &mut process.modules;
    for module in modules.iter_mut() {
        module.cumulative = module.own;
    }
    for index in (1..modules.len()).rev() {
        let (cumulative, parent) = (modules[index].cumulative, modules[index].parent.unwrap_or(0));
        modules[parent as usize].cumulative += cumulative;
    }
}

/// Cycles that were closed: a load led, through others, to an import of the module that it had not finished. Each is the loads from
/// that module to the importer; those that share a module are one.
fn cycles(process: &mut Process) {
    let mut graph = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = process.modules.iter().map(|_| graph.add_node(())).collect();
    for edge in process.edges.iter().filter(|edge| edge.partial) {
        let outwards = |&module: &u32| process.modules[module as usize].parent;
        let loads: Vec<u32> = std::iter::successors(Some(edge.importer), outwards)
            .take_while(|&module| module != edge.module)
            .collect();
        // An importer that was not being loaded then: a function that somebody called.
        let Some(outermost) = loads.last().filter(|&&module| module != 0) else { continue };
        let path = loads.windows(2).map(|pair| (pair[1], pair[0]));
        for (from, to) in path.chain([(edge.module, *outermost), (edge.importer, edge.module)]) {
            graph.update_edge(nodes[from as usize], nodes[to as usize], ());
        }
    }
    let mut found: Vec<Vec<u32>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|component| component.len() > 1)
        .map(|component| component.into_iter().map(|node| node.index() as u32).collect())
        .collect();
    for cycle in &mut found {
        cycle.sort_unstable();
    }
    found.sort();
    for (index, cycle) in found.iter().enumerate() {
        for &module in cycle {
            process.modules[module as usize].cycle = Some(index as u32);
        }
    }
    process.cycles = found;
}

/// Which module every path from the program to another one passes through, by the algorithm of Cooper, Harvey and Kennedy that petgraph
/// has.
pub struct Dominators {
    /// The nearest such module of each; `None` for the program.
    parents: Vec<Option<u32>>,
}

impl Dominators {
    /// Those of a process.
    pub fn of(process: &Process) -> Dominators {
        let count = process.modules.len();
        let mut graph = DiGraph::<(), ()>::with_capacity(count, process.edges.len());
        let nodes: Vec<NodeIndex> = process.modules.iter().map(|_| graph.add_node(())).collect();
        for edge in &process.edges {
            graph.update_edge(nodes[edge.importer as usize], nodes[edge.module as usize], ());
        }
        attach(&mut graph, &nodes);
        let found = dominators::simple_fast(&graph, nodes[0]);
        let parents = nodes
            .iter()
            .map(|&node| found.immediate_dominator(node).map(|parent| parent.index() as u32))
            .collect();
        Dominators { parents }
    }

    /// Whether every path to `module` passes through `through`, or it is that.
    pub fn dominates(&self, through: u32, module: u32) -> bool {
        let mut at = Some(module);
        while let Some(index) = at {
            if index == through {
                return true;
            }
            at = self.parents[index as usize];
        }
        false
    }

    /// Everything that cannot be reached without a module, the module first.
    pub fn dominated(&self, module: u32) -> Vec<u32> {
        let others = (0..self.parents.len() as u32)
            .filter(|&other| other != module && self.dominates(module, other));
        std::iter::once(module).chain(others).collect()
    }
}

/// Modules that no recorded import leads to, like those that C code loads, hang on the program.
fn attach(graph: &mut DiGraph<(), ()>, nodes: &[NodeIndex]) {
    let Some(&root) = nodes.first() else { return };
    let mut search = Dfs::new(&*graph, root);
    while search.next(&*graph).is_some() {}
    for &node in nodes {
        if !petgraph::visit::VisitMap::is_visited(&search.discovered, &node) {
            graph.add_edge(root, node, ());
            search.move_to(node);
            while search.next(&*graph).is_some() {}
        }
    }
}

/// What each module saves by itself: its own cost, with its share of all garbage collections by what it allocated in place of those that
/// fell into its load. Where a collection falls is chance: it goes through what all modules before have made, and without one module
/// it falls into another.
pub struct Own<'a> {
    modules: &'a [Module],
    collections_ns: u64,
    allocations: u64,
}

impl<'a> Own<'a> {
    /// Those of a process.
    pub fn of(process: &'a Process) -> Own<'a> {
        let modules = &process.modules;
        Own {
            modules,
            collections_ns: modules.iter().map(|module| collecting(&module.own)).sum(),
            allocations: modules.iter().map(|module| module.own.allocations).sum(),
        }
    }

    /// That of a module.
    pub fn saving(&self, module: u32) -> Saving {
        let own = &self.modules[module as usize].own;
        let share = own.allocations as f64 / self.allocations.max(1) as f64;
        let share = (share * self.collections_ns as f64) as u64;
        let without = collecting(own);
        Saving {
            cpu_ns: own.cpu_ns - without + share,
            wall_ns: own.wall_ns.saturating_sub(without) + share,
            rss_bytes: own.rss_bytes,
            modules: 1,
        }
    }
}

/// Time in garbage collections, nanoseconds of CPU time.
fn collecting(own: &Cost) -> u64 {
    own.gc_ns.min(own.cpu_ns)
}

impl std::ops::AddAssign for Saving {
    fn add_assign(&mut self, other: Saving) {
        self.cpu_ns += other.cpu_ns;
        self.wall_ns += other.wall_ns;
        self.rss_bytes += other.rss_bytes;
        self.modules += other.modules;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Edge;
    use crate::sample;
    use proptest::prelude::*;

    /// A process with modules of 1, 2, 4, 8 … ns and the given imports; parents are the first importers.
    fn process(count: u32, imports: &[(u32, u32)]) -> Process {
        let mut process = sample::process();
        let (module, edge) = (process.modules[1].clone(), process.edges[0].clone());
        process.modules = (0..count)
            .map(|index| Module {
                name: format!("m{index}"),
                parent: index.checked_sub(1).map(|_| 0),
                own: Cost { cpu_ns: 1 << index, ..Cost::default() },
                ..module.clone()
            })
            .collect();
        process.edges = imports
            .iter()
            .map(|&(importer, module)| Edge { importer, module, ..edge.clone() })
            .collect();
        process.findings.clear();
        process
    }

    fn exclusive(process: &mut Process) -> Vec<u64> {
        derive(process);
        process.modules.iter().map(|module| module.exclusive.cpu_ns).collect()
    }

    #[test]
    fn a_module_with_two_importers_belongs_to_neither() {
        // 0 -> 1 -> 3, 0 -> 2 -> 3, 3 -> 4.
        let mut process = process(5, &[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]);
        assert_eq!(exclusive(&mut process), [31, 2, 4, 24, 16]);
    }

    #[test]
    fn cycles_are_found_and_stop_nothing() {
        let mut process = process(4, &[(0, 1), (1, 2), (2, 1), (2, 3)]);
        process.modules[2].parent = Some(1);
        process.modules[3].parent = Some(2);
        assert_eq!(exclusive(&mut process), [15, 14, 12, 8]);
        assert!(process.cycles.is_empty(), "no import met an unfinished module");
        process.edges[2].partial = true;
        derive(&mut process);
        assert_eq!(process.cycles, [[1, 2]]);
    }

    #[test]
    fn what_no_import_leads_to_hangs_on_the_program() {
        let mut process = process(4, &[(2, 3), (3, 2)]);
        assert_eq!(exclusive(&mut process), [15, 2, 12, 8]);
    }

    #[test]
    fn a_package_goes_with_what_is_within_it_however_that_is_imported() {
        // 0 -> p, 0 -> p.a -> b; p.a needs p.
        let mut process = process(4, &[(0, 1), (0, 2), (2, 1), (2, 3)]);
        process.modules[1].name = "p".to_owned();
        process.modules[2].name = "p.a".to_owned();
        assert_eq!(exclusive(&mut process), [15, 2 + 4 + 8, 4 + 8, 8]);
    }

    #[test]
    fn collections_belong_to_who_allocated_wherever_they_fell() {
        let mut process = process(4, &[(0, 1), (0, 2), (0, 3)]);
        for (module, (gc_ns, allocations)) in
            process.modules.iter_mut().zip([(0, 0), (0, 300), (800, 100), (0, 0)])
        {
            module.own = Cost { cpu_ns: 1000, gc_ns, allocations, ..Cost::default() };
        }
        assert_eq!(exclusive(&mut process), [4000, 1600, 400, 1000]);
        assert_eq!(process.modules[2].own.cpu_ns, 1000);
    }

    #[test]
    fn an_import_in_a_function_belongs_to_who_calls_it_as_well() {
        // 0 -> 1, 0 -> 2 -> 1; 1 imports 3 in a function, which the load of 2 calls.
        let mut process = process(4, &[(0, 1), (0, 2), (2, 1), (1, 3)]);
        process.edges[3].in_function = true;
        process.edges[3].during = vec![2];
        assert_eq!(exclusive(&mut process), [15, 2 + 8, 4 + 8, 8]);
        process.edges[3].during = vec![0, 2];
        assert_eq!(exclusive(&mut process), [15, 2 + 8, 4, 8]);
    }

    #[test]
    fn what_importlib_imports_needs_importlib() {
        let mut process = process(4, &[(0, 1), (0, 2), (2, 3), (0, 3)]);
        process.edges[2].by = Some(1);
        assert_eq!(exclusive(&mut process), [15, 2, 4, 8]);
        process.edges.pop();
        assert_eq!(exclusive(&mut process), [15, 2 + 8, 4 + 8, 8]);
    }

    /// What cannot be reached without a module and those within it, by search: the definition.
    fn by_definition(process: &Process, without: u32) -> u64 {
        let count = process.modules.len();
        let reach = |forbidden: Option<u32>, roots: &[u32]| {
            let is_out = |node: u32| {
                forbidden.is_some_and(|out| {
                    let inside = format!("{}.", process.modules[out as usize].name);
                    node == out || process.modules[node as usize].name.starts_with(&inside)
                })
            };
            let mut seen = vec![false; count];
            let mut stack: Vec<u32> = roots.iter().copied().filter(|&root| !is_out(root)).collect();
            while let Some(node) = stack.pop() {
                if std::mem::replace(&mut seen[node as usize], true) {
                    continue;
                }
                let next = process
                    .edges
                    .iter()
                    .filter(|edge| edge.importer == node)
                    .map(|edge| edge.module);
                stack.extend(next.filter(|&module| !is_out(module)));
            }
            seen
        };
        let mut roots = vec![0];
        for node in 1..count as u32 {
            if !reach(None, &roots)[node as usize] {
                roots.push(node);
            }
        }
        let left = reach(Some(without), &roots);
        process
            .modules
            .iter()
            .zip(left)
            .filter(|(_, left)| !left)
            .map(|(module, _)| module.own.cpu_ns)
            .sum()
    }

    proptest! {
        #[test]
        fn exclusive_cost_is_what_becomes_unreachable(imports in proptest::collection::vec((0_u32..12, 1_u32..12), 0..40)) {
            let mut process = process(12, &imports);
            for module in 7..10 {
                process.modules[module].name = format!("m{}.m{module}", module % 3 + 1);
            }
            let exclusive = exclusive(&mut process);
            for module in 1..12 {
                prop_assert_eq!(exclusive[module as usize], by_definition(&process, module));
            }
        }

        #[test]
        fn self_costs_add_up_in_every_thread(threads in proptest::collection::vec(0_u32..3, 11)) {
            let mut process = process(12, &[]);
            process.threads = vec![process.threads[0].clone(); 3];
            for (module, thread) in process.modules.iter_mut().skip(1).zip(threads) {
                module.thread = thread;
            }
            derive(&mut process);
            for (index, thread) in process.threads.iter().enumerate() {
                let of_modules = process.modules.iter().skip(1).filter(|m| m.thread as usize == index);
                let sum: u64 = of_modules.map(|m| m.own.cpu_ns).sum();
                prop_assert_eq!(sum + thread.outside.cpu_ns, thread.total.cpu_ns);
            }
        }
    }
}
