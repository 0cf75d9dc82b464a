//! The names that imports at module level bind, and where each is used.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, Stmt, StmtImportFrom};
use ruff_text_size::{Ranged, TextRange};
use std::collections::{BTreeMap, BTreeSet};

/// A name that an import at module level binds.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The module, with leading dots where it is relative.
    pub module: String,
    /// The attribute of a `from` import.
    pub attribute: Option<String>,
    /// The place of the statement.
    pub statement: TextRange,
    /// The place of the name in it.
    pub range: TextRange,
    /// How it stays eager, for imports in `try` and the like.
    pub eager: Option<&'static str>,
    /// `import x as x`, `from y import x as x`: meant for importers.
    pub is_export: bool,
    /// Imported only for type checkers.
    pub for_types: bool,
}

/// What the imports of a module bind.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    pub names: BTreeMap<String, Binding>,
    /// Modules that are imported in full, anywhere in the source: `import a.b` gives `a` and `a.b`.
    pub imported: BTreeSet<String>,
    /// Star imports.
    pub stars: Vec<(TextRange, String)>,
    /// Names that are loaded anywhere, and those in `__all__`.
    pub used: BTreeSet<String>,
    /// Whether annotations are not evaluated because of `from __future__ import annotations`.
    pub future_annotations: bool,
}

impl Bindings {
    /// What the name at the root of an expression like `a.b[c]` is bound to by an import that runs.
    pub fn root<'a>(&'a self, expression: &'a Expr) -> Option<(&'a str, &'a Binding)> {
        let name = root_name(expression)?;
        let binding = self.names.get(name).filter(|binding| !binding.for_types)?;
        Some((name, binding))
    }

    /// The dotted name of what an expression denotes, as far as imports tell: `p.join` after `import os.path as p` is
    /// `os.path.join`.
    pub fn qualified(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Name(name) => {
                let binding = self.names.get(name.id.as_str())?;
                Some(match &binding.attribute {
                    Some(attribute) => format!("{}.{attribute}", binding.module),
                    None if binding.is_renamed(name.id.as_str()) => binding.module.clone(),
                    None => name.id.to_string(),
                })
            }
            Expr::Attribute(attribute) => {
                Some(format!("{}.{}", self.qualified(&attribute.value)?, attribute.attr))
            }
            _ => None,
        }
    }
}

impl Binding {
    /// Whether the name is another one than the root of the module's: `import a.b as c` binds `a.b`, `import a.b` binds `a`.
    fn is_renamed(&self, name: &str) -> bool {
        self.module.split('.').next() != Some(name)
    }
}

pub(super) fn root_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => root_name(&attribute.value),
        Expr::Subscript(subscript) => root_name(&subscript.value),
        Expr::Call(call) => root_name(&call.func),
        _ => None,
    }
}

pub(super) fn of(suite: &[Stmt]) -> Bindings {
    let mut collector = Collector::default();
    collector.suite(suite, &Place::default());
    let mut uses = Uses { bindings: &mut collector.bindings };
    uses.visit_body(suite);
    collector.bindings
}

/// Whether a test is `TYPE_CHECKING` or `typing.TYPE_CHECKING`.
pub(super) fn is_type_checking(test: &Expr) -> bool {
    match test {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        _ => false,
    }
}

#[derive(Clone, Copy, Default)]
struct Place {
    eager: Option<&'static str>,
    for_types: bool,
}

#[derive(Default)]
struct Collector {
    bindings: Bindings,
}

impl Collector {
    fn suite(&mut self, suite: &[Stmt], place: &Place) {
        for statement in suite {
            self.statement(statement, place);
        }
    }

    fn statement(&mut self, statement: &Stmt, place: &Place) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.to_string();
                    let name = match &alias.asname {
                        Some(asname) => asname.to_string(),
                        None => module.split('.').next().unwrap_or_default().to_owned(),
                    };
                    let is_export = alias.asname.as_ref().is_some_and(|a| a.as_str() == module);
                    let binding = Binding {
                        module,
                        attribute: None,
                        statement: import.range,
                        range: alias.range,
                        eager: place.eager,
                        is_export,
                        for_types: place.for_types,
                    };
                    self.bindings.names.insert(name, binding);
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import, place),
            Stmt::If(branch) => {
                let for_types = place.for_types || is_type_checking(&branch.test);
                self.suite(&branch.body, &Place { for_types, ..*place });
                for clause in &branch.elif_else_clauses {
                    self.suite(&clause.body, place);
                }
            }
            Stmt::Try(block) => {
                let inside = Place { eager: Some("in a `try` block"), ..*place };
                self.suite(&block.body, &inside);
                for handler in &block.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    let inside = Place { eager: Some("in an `except` block"), ..*place };
                    self.suite(&handler.body, &inside);
                }
                self.suite(&block.orelse, place);
                self.suite(&block.finalbody, place);
            }
            Stmt::With(block) => self.suite(&block.body, place),
            Stmt::For(block) => {
                self.suite(&block.body, place);
                self.suite(&block.orelse, place);
            }
            Stmt::While(block) => {
                self.suite(&block.body, place);
                self.suite(&block.orelse, place);
            }
            Stmt::Match(block) => {
                for case in &block.cases {
                    self.suite(&case.body, place);
                }
            }
            _ => {}
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom, place: &Place) {
        let module = from_module(import);
        if module == "__future__" {
            self.bindings.future_annotations |=
                import.names.iter().any(|alias| alias.name.as_str() == "annotations");
            return;
        }
        for alias in &import.names {
            let attribute = alias.name.to_string();
            if attribute == "*" {
                if place.eager.is_none() {
                    self.bindings.stars.push((import.range, module.clone()));
                }
                continue;
            }
            let is_export = alias.asname.as_ref().is_some_and(|a| a.as_str() == attribute);
            let name = alias.asname.as_ref().map_or_else(|| attribute.clone(), ToString::to_string);
            let binding = Binding {
                module: module.clone(),
                attribute: Some(attribute),
                statement: import.range,
                range: alias.range,
                eager: place.eager,
                is_export,
                for_types: place.for_types,
            };
            self.bindings.names.insert(name, binding);
        }
    }
}

/// The module of a `from` import, with its dots.
pub(super) fn from_module(import: &StmtImportFrom) -> String {
    let dots = ".".repeat(import.level as usize);
    format!("{dots}{}", import.module.as_deref().unwrap_or_default())
}

/// Collects what is used and imported anywhere, functions included.
struct Uses<'b> {
    bindings: &'b mut Bindings,
}

impl<'a> Visitor<'a> for Uses<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    add_with_parents(&mut self.bindings.imported, &alias.name);
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = from_module(import);
                add_with_parents(&mut self.bindings.imported, &module);
                for alias in &import.names {
                    self.bindings.imported.insert(format!("{module}.{}", alias.name));
                }
            }
            Stmt::Assign(assign) if is_all(&assign.targets) => exported(&assign.value, self),
            Stmt::AugAssign(assign) if is_all(std::slice::from_ref(&assign.target)) => {
                exported(&assign.value, self);
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx.is_load() => {
                self.bindings.used.insert(name.id.to_string());
            }
            // A quoted annotation, or a name handed to getattr: good enough as a use.
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                if text.len() < 200 {
                    let word = |c: char| !(c.is_alphanumeric() || c == '_');
                    self.bindings.used.extend(text.split(word).map(str::to_owned));
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

fn add_with_parents(set: &mut BTreeSet<String>, module: &str) {
    for (at, _) in module.match_indices('.') {
        set.insert(module[..at].to_owned());
    }
    set.insert(module.to_owned());
}

fn is_all(targets: &[impl std::borrow::Borrow<Expr>]) -> bool {
    targets
        .iter()
        .any(|target| matches!(target.borrow(), Expr::Name(name) if name.id.as_str() == "__all__"))
}

fn exported(value: &Expr, uses: &mut Uses<'_>) {
    let elements: &[Expr] = match value {
        Expr::List(list) => &list.elts,
        Expr::Tuple(tuple) => &tuple.elts,
        _ => &[],
    };
    for element in elements {
        if let Expr::StringLiteral(literal) = element {
            uses.bindings.used.insert(literal.value.to_str().to_owned());
        }
    }
}

/// The place of an expression.
pub(super) fn range_of(expression: &Expr) -> TextRange {
    expression.range()
}
