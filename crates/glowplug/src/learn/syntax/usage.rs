//! Where a source uses the names that its imports bind.

use super::source;
use glowplug_profile::facts::{ImportFact, NameUse};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Alias, Expr, ExprContext, Stmt};
use ruff_python_parser::{Mode, ParseOptions};
use ruff_text_size::Ranged;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem::ManuallyDrop;

/// Where each import statement's names are used. Nothing for a source that cannot be parsed.
///
/// `is_package`: names that the `__init__.py` of a package imports are there for others, so none of them is used nowhere.
pub fn names_used(source: &[u8], is_package: bool) -> Vec<ImportFact> {
    let Some(text) = source::text(source) else { return Vec::new() };
    let options = ParseOptions::from(Mode::Module);
    // As for the leading imports: taking down a deeply nested tree recurses without bounds.
    let parsed = ManuallyDrop::new(ruff_python_parser::parse_unchecked(&text, options));
    let (Some(module), false) = (parsed.syntax().as_module(), parsed.has_invalid_syntax()) else {
        return Vec::new();
    };
    let mut names = Names::default();
    names.visit_body(&module.body);
    let lines = source::Lines::new(&text);
    names
        .imports
        .iter()
        .map(|(offset, bound)| ImportFact {
            line: lines.line(*offset),
            used: names.used(bound, is_package),
        })
        .collect()
}

/// Uses of a name.
#[derive(Default)]
struct Uses {
    at_load: bool,
    annotations: bool,
    functions: BTreeSet<String>,
}

#[derive(Default)]
struct Names<'a> {
    /// Import statements at the top: offset, and the names that they bind.
    imports: Vec<(usize, Vec<&'a str>)>,
    uses: HashMap<&'a str, Uses>,
    exported: HashSet<&'a str>,
    /// The outermost function that is being walked.
    function: Option<&'a str>,
    in_annotation: bool,
}

impl<'a> Names<'a> {
    fn used(&self, bound: &[&str], is_package: bool) -> NameUse {
        let uses: Vec<&Uses> = bound.iter().filter_map(|name| self.uses.get(name)).collect();
        let offered = is_package
            || bound.contains(&"*")
            || bound.iter().any(|name| self.exported.contains(name));
        if offered || uses.iter().any(|uses| uses.at_load) {
            return NameUse::AtLoad;
        }
        let functions: BTreeSet<&String> = uses.iter().flat_map(|uses| &uses.functions).collect();
        match functions.first() {
            Some(first) => NameUse::Functions(functions.len(), (*first).clone()),
            None if uses.iter().any(|uses| uses.annotations) => NameUse::Annotations,
            None => NameUse::Nowhere,
        }
    }

    fn import(&mut self, offset: usize, bound: Vec<&'a str>) {
        if self.function.is_none() {
            self.imports.push((offset, bound));
        }
    }

    fn note(&mut self, name: &'a str) {
        let uses = self.uses.entry(name).or_default();
        match self.function {
            _ if self.in_annotation => uses.annotations = true,
            Some(function) => drop(uses.functions.insert(function.to_owned())),
            None => uses.at_load = true,
        }
    }
}

/// The name that an `import` binds: the first part of a dotted one.
fn bound(alias: &Alias) -> &str {
    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
    name.split('.').next().unwrap_or(name)
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                self.import(
                    import.range().start().to_usize(),
                    import.names.iter().map(bound).collect(),
                );
            }
            Stmt::ImportFrom(import) => {
                self.import(
                    import.range().start().to_usize(),
                    import.names.iter().map(bound).collect(),
                );
            }
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                // Defaults and annotations belong to where the function stands.
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let outer = self.function;
                self.function.get_or_insert(function.name.as_str());
                self.visit_body(&function.body);
                self.function = outer;
            }
            Stmt::Assign(assign) => {
                let exports = assign
                    .targets
                    .iter()
                    .any(|target| target.as_name_expr().is_some_and(|n| n.id == "__all__"));
                if exports {
                    let elements = match &*assign.value {
                        Expr::List(list) => list.elts.as_slice(),
                        Expr::Tuple(tuple) => tuple.elts.as_slice(),
                        _ => &[],
                    };
                    let names =
                        elements.iter().filter_map(|element| element.as_string_literal_expr());
                    self.exported.extend(names.map(|name| name.value.to_str()));
                }
                visitor::walk_stmt(self, statement);
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        let outer = std::mem::replace(&mut self.in_annotation, true);
        visitor::walk_annotation(self, annotation);
        self.in_annotation = outer;
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx == ExprContext::Load
        {
            self.note(name.id.as_str());
        }
        visitor::walk_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(source: &str) -> Vec<(u32, NameUse)> {
        names_used(source.as_bytes(), false)
            .into_iter()
            .map(|fact| (fact.line, fact.used))
            .collect()
    }

    #[test]
    fn uses_are_told_apart() {
        let source = "import a, b.c\nfrom d import e as f\nimport g\nimport h\nimport i\n__all__ = ['i']\n\
                      a.x()\ndef one(v: f) -> None:\n    g.y()\n    def two(): g.z()\n";
        let expected = [
            (1, NameUse::AtLoad),
            (2, NameUse::Annotations),
            (3, NameUse::Functions(1, "one".into())),
            (4, NameUse::Nowhere),
            (5, NameUse::AtLoad),
        ];
        assert_eq!(used(source), expected);
    }

    #[test]
    fn defaults_and_decorators_are_evaluated_where_the_function_stands() {
        let source = "import a\nimport b\n@a.wraps\ndef f(x=b.y): pass\n";
        assert_eq!(used(source), [(1, NameUse::AtLoad), (2, NameUse::AtLoad)]);
    }

    #[test]
    fn a_package_imports_for_others_and_a_broken_source_says_nothing() {
        assert_eq!(names_used(b"import a\n", true)[0].used, NameUse::AtLoad);
        assert!(names_used(b"import (\n", false).is_empty());
    }
}
