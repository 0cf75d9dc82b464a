//! Who brought a module in: the imports that lead from the program to it.

use crate::model::{Edge, Outcome, Process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One import on the way from the program to a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Who imports.
    pub importer: String,
    /// What is imported.
    pub module: String,
    /// The file of the import; empty where it is not known.
    pub file: String,
    /// Its line, from 1; 0 where it is not known.
    pub line: u32,
}

/// The imports that led to the first load of a module, the program's first. Empty for the program itself, and for what no recorded
/// import led to.
pub fn of_load(process: &Process, module: u32) -> Vec<Link> {
    let mut chain = Vec::new();
    let mut seen = vec![false; process.modules.len()];
    let mut at = module;
    while at != 0 && !std::mem::replace(&mut seen[at as usize], true) {
        let into = |edge: &&Edge| edge.module == at;
        let first = process.edges.iter().find(|edge| into(edge) && edge.first);
        let Some(edge) = first.or_else(|| process.edges.iter().find(into)) else { break };
        chain.push(link(process, edge));
        at = edge.importer;
    }
    chain.reverse();
    chain
}

/// The shortest way to a module by imports that stand outside of functions; `None` where there is none, so that the module is lazy.
pub fn eager(process: &Process, module: u32) -> Option<Vec<Link>> {
    let mut by: Vec<Option<&Edge>> = vec![None; process.modules.len()];
    let mut seen = vec![false; process.modules.len()];
    let mut left = VecDeque::from([0]);
    seen[0] = true;
    while let Some(at) = left.pop_front() {
        if at == module {
            break;
        }
        for edge in process.edges.iter().filter(|edge| edge.importer == at && !edge.in_function) {
            if !std::mem::replace(&mut seen[edge.module as usize], true) {
                by[edge.module as usize] = Some(edge);
                left.push_back(edge.module);
            }
        }
    }
    let mut chain = Vec::new();
    let mut at = module;
    while at != 0 {
        let edge = by[at as usize]?;
        chain.push(link(process, edge));
        at = edge.importer;
    }
    chain.reverse();
    Some(chain)
}

fn link(process: &Process, edge: &Edge) -> Link {
    let name = |index: u32| process.modules[index as usize].name.clone();
    Link {
        importer: name(edge.importer),
        module: name(edge.module),
        file: edge.file.clone(),
        line: edge.line,
    }
}

/// The modules that were loaded, without the program itself: index and name, each name once.
pub fn loaded(process: &Process) -> Vec<(u32, &str)> {
    let mut seen = std::collections::HashSet::new();
    let modules = process.modules.iter().enumerate().skip(1);
    modules
        .filter(|(_, module)| matches!(module.outcome, Outcome::Loaded | Outcome::Unfinished))
        .filter(|(_, module)| seen.insert(module.name.as_str()))
        .map(|(index, module)| (index as u32, module.name.as_str()))
        .collect()
}

/// A chain on one line: `app (app.py:3) -> app.report (app/report.py:1) -> pandas`.
pub fn show(chain: &[Link]) -> String {
    let mut text = String::new();
    for link in chain {
        text.push_str(&link.importer);
        if !link.file.is_empty() && link.line > 0 {
            text.push_str(&format!(" ({}:{})", link.file, link.line));
        }
        text.push_str(" -> ");
    }
    text.push_str(chain.last().map_or("", |link| link.module.as_str()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn index(process: &Process, name: &str) -> u32 {
        process.modules.iter().position(|module| module.name == name).expect("in the sample") as u32
    }

    #[test]
    fn a_chain_leads_from_the_program_to_the_module() {
        let process = sample::process();
        let chain = of_load(&process, index(&process, "_schema_core"));
        let names: Vec<&str> = chain.iter().map(|link| link.module.as_str()).collect();
        assert_eq!(names, ["web", "web.openapi", "schema", "_schema_core"]);
        assert_eq!(chain[0].importer, "__main__");
        assert!(show(&chain).ends_with(" -> _schema_core"));
    }

    #[test]
    fn imports_within_functions_make_a_module_lazy() {
        let mut process = sample::process();
        let schema = index(&process, "schema");
        assert!(eager(&process, schema).is_some());
        for edge in process.edges.iter_mut().filter(|edge| edge.module == schema) {
            edge.in_function = true;
        }
        assert_eq!(eager(&process, schema), None);
        assert_eq!(eager(&process, index(&process, "_schema_core")), None);
        assert!(!of_load(&process, schema).is_empty());
    }

    #[test]
    fn cycles_end() {
        let mut process = sample::process();
        let (web, schema) = (index(&process, "web"), index(&process, "schema"));
        for edge in process.edges.iter_mut().filter(|edge| edge.module == web) {
            edge.importer = schema;
        }
        assert!(!of_load(&process, schema).is_empty());
        assert_eq!(eager(&process, schema), None);
    }

    #[test]
    fn what_was_not_found_is_not_loaded() {
        let process = sample::process();
        let names: Vec<&str> = loaded(&process).into_iter().map(|(_, name)| name).collect();
        assert!(
            names.contains(&"web") && !names.contains(&"absent") && !names.contains(&"__main__")
        );
    }
}
