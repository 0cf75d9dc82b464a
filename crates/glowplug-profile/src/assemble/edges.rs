//! Turns places that import into edges between modules.

use super::loads::{Loads, Site};
use crate::model::{Edge, EdgeKind, Module, Outcome};
use crate::trace::{ProcessTrace, Record, kind};
use std::collections::{HashMap, HashSet};

/// All edges of a process: those that began a load, then the others, each in the order of their happening.
pub fn resolve(trace: &ProcessTrace, loads: &Loads) -> Vec<Edge> {
    let mut resolver = Resolver::new(trace, loads);
    for (index, site) in loads.sites.iter().enumerate().skip(1) {
        resolver.load(index as u32, *site);
    }
    // Loads are numbered as they begin, thread after thread.
    let mut begun = 0;
    for (index, thread) in trace.threads.iter().enumerate() {
        let mut open: Vec<u32> = Vec::new();
        for record in &thread.records {
            match record.kind {
                kind::LOAD_BEGIN => {
                    begun += 1;
                    open.push(begun);
                }
                kind::LOAD_END => drop(open.pop()),
                kind::EDGE => resolver.import(index as u32, record, &open),
                _ => {}
            }
        }
    }
    resolver.edges
}

struct Resolver<'a> {
    trace: &'a ProcessTrace,
    modules: &'a [Module],
    by_name: HashMap<&'a str, u32>,
    by_file: HashMap<&'a str, u32>,
    seen: HashMap<(u32, u32, u32, u32), usize>,
    edges: Vec<Edge>,
}

impl<'a> Resolver<'a> {
    fn new(trace: &'a ProcessTrace, loads: &'a Loads) -> Resolver<'a> {
        let mut by_name: HashMap<&str, u32> = HashMap::from([("__main__", 0)]);
        let mut by_file = HashMap::new();
        for (index, module) in loads.modules.iter().enumerate().skip(1) {
            let worth = |module: &Module| matches!(module.outcome, Outcome::Loaded);
            let better = by_name
                .get(module.name.as_str())
                .is_none_or(|&known| worth(module) || !worth(&loads.modules[known as usize]));
            if better {
                by_name.insert(&module.name, index as u32);
            }
            if let Some(file) = &module.file {
                by_file.insert(file.as_str(), index as u32);
            }
        }
        Resolver {
            trace,
            modules: &loads.modules,
            by_name,
            by_file,
            seen: HashMap::new(),
            edges: Vec::new(),
        }
    }

    /// The edge that began a load.
    fn load(&mut self, index: u32, site: Site) {
        let module = &self.modules[index as usize];
        let (importer, kind) = match site.package_of {
            Some(sub) => (sub, EdgeKind::Package),
            None => (self.importer(site.module, site.file, module.parent), EdgeKind::Statement),
        };
        let edge = Edge {
            importer,
            module: index,
            file: self.trace.string(site.file).to_owned(),
            line: site.line,
            thread: module.thread,
            kind,
            first: true,
            in_function: site.in_function,
            partial: false,
            during: if site.in_function { vec![module.parent.unwrap_or(0)] } else { Vec::new() },
            by: None,
        };
        self.add(edge, site.file);
    }

    /// Whom a place belongs to: by its module's name, else by its file, else whoever was being loaded, else the program.
    fn importer(&self, module: u32, file: u32, parent: Option<u32>) -> u32 {
        let by_name = self.by_name.get(self.trace.string(module)).copied();
        let by_file = || self.by_file.get(self.trace.string(file)).copied();
        by_name
            .filter(|_| module != 0)
            .or_else(by_file)
            .or(parent.filter(|_| module == 0))
            .unwrap_or(0)
    }

    /// An import, and the loads that the thread was in when it was over.
    fn import(&mut self, thread: u32, record: &Record, open: &[u32]) {
        let [place, who, level, from @ ..] = &record.words[..] else { return };
        let (file, line) = ((place >> 32) as u32, *place as u32);
        let (module, package) = ((who >> 32) as u32, *who as u32);
        let importer = self.importer(module, file, None);
        let name = self.trace.string(record.argument);
        let base =
            self.absolute(name, *level, self.trace.string(package), self.trace.string(module));
        let names: Vec<&str> =
            from.iter().map(|&number| self.trace.string(number as u32)).collect();
        let kind = match record.flags & 2 {
            0 if names.contains(&"*") => EdgeKind::Star,
            0 => EdgeKind::Statement,
            _ => EdgeKind::Call,
        };
        let in_function = record.flags & 1 == 1;
        let importlib = self.by_name.get("importlib").copied().filter(|_| record.flags & 4 == 4);
        let edge = |module: u32, importer: u32, kind: EdgeKind| Edge {
            importer,
            module,
            file: self.trace.string(file).to_owned(),
            line,
            thread,
            kind,
            first: false,
            in_function,
            partial: kind != EdgeKind::Package && open.contains(&module),
            during: if kind != EdgeKind::Package && in_function {
                vec![open.last().copied().unwrap_or(0)]
            } else {
                Vec::new()
            },
            by: importlib.filter(|_| kind != EdgeKind::Package),
        };
        let mut found = Vec::new();
        let members = names.iter().map(|name| format!("{base}.{name}"));
        let (modules, others): (Vec<_>, Vec<_>) =
            members.partition(|full| self.by_name.contains_key(full.as_str()));
        let mut wanted: HashSet<String> = modules.into_iter().collect();
        // `from package import module` needs the package as its modules do, not for itself.
        if wanted.is_empty() || !others.is_empty() {
            wanted.insert(base);
        }
        for full in wanted {
            let Some(&target) = self.by_name.get(full.as_str()) else { continue };
            found.push(edge(target, importer, kind));
            // What is imported needs the packages that it is in.
            let mut sub = target;
            let mut rest = full.as_str();
            while let Some((package, _)) = rest.rsplit_once('.') {
                if let Some(&package) = self.by_name.get(package) {
                    found.push(edge(package, sub, EdgeKind::Package));
                    sub = package;
                }
                rest = package;
            }
        }
        found.sort_by_key(|edge| (edge.kind == EdgeKind::Package, edge.module));
        for edge in found {
            self.add(edge, file);
        }
    }

    /// The absolute name that an import asks for.
    fn absolute(&self, name: &str, level: u64, package: &str, module: &str) -> String {
        if level == 0 {
            return name.to_owned();
        }
        let is_package =
            self.by_name.get(module).is_some_and(|&index| self.modules[index as usize].package);
        let mut base = match (package, is_package) {
            ("", true) => module,
            ("", false) => module.rsplit_once('.').map_or("", |(package, _)| package),
            (package, _) => package,
        };
        for _ in 1..level {
            base = base.rsplit_once('.').map_or("", |(package, _)| package);
        }
        match (base, name) {
            (base, "") => base.to_owned(),
            ("", name) => name.to_owned(),
            (base, name) => format!("{base}.{name}"),
        }
    }

    /// Adds an edge, or what it says to the one that is there.
    fn add(&mut self, edge: Edge, file: u32) {
        if edge.importer == edge.module || edge.module == 0 {
            return;
        }
        let key = (edge.importer, edge.module, file, edge.line);
        match self.seen.get(&key) {
            // Loads only know that there was an import; the import itself knows how it was written.
            Some(&known)
                if edge.kind != EdgeKind::Package
                    && self.edges[known].kind != EdgeKind::Package =>
            {
                let known = &mut self.edges[known];
                known.kind = edge.kind;
                known.partial |= edge.partial;
                known.by = edge.by;
                known.during.extend(edge.during);
                known.during.sort_unstable();
                known.during.dedup();
            }
            Some(_) => {}
            None => {
                self.seen.insert(key, self.edges.len());
                self.edges.push(edge);
            }
        }
    }
}
