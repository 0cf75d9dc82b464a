//! Walks statements from the top until the first that is not leading.

use super::super::ImportStatement;
use super::expressions::{Question, is_constant, is_name, is_quiet_annotation, question};
use super::is_idle;
use crate::source::Lines;
use ruff_python_ast::{
    ExceptHandler, Expr, Parameters, Stmt, StmtClassDef, StmtFunctionDef, StmtIf, StmtImport,
    StmtImportFrom, StmtTry,
};
use ruff_text_size::{Ranged, TextRange};

/// Blocks within blocks beyond which nothing is leading.
const DEEPEST: u32 = 20;

/// Module variables that decide how imports work.
const IMPORT_VARIABLES: &[&str] = &[
    "__name__",
    "__package__",
    "__spec__",
    "__path__",
    "__loader__",
    "__builtins__",
    "__import__",
];

/// What the walk came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub imports: Vec<ImportStatement>,
    /// Offset behind the last import.
    pub end: usize,
    pub stopped_at: Option<(u32, &'static str)>,
}

/// A statement ends the leading part, for this reason.
struct Stop {
    line: u32,
    why: &'static str,
}

pub(super) fn walk(suite: &[Stmt], lines: &Lines) -> Found {
    let mut walker = Walker { lines, found: Found::default(), optional: false, depth: DEEPEST };
    if let Err(stop) = walker.suite(suite) {
        walker.found.stopped_at = Some((stop.line, stop.why));
    }
    walker.found
}

struct Walker<'a> {
    lines: &'a Lines,
    found: Found,
    /// Imports seen now stand in a branch.
    optional: bool,
    depth: u32,
}

impl Walker<'_> {
    fn suite(&mut self, suite: &[Stmt]) -> Result<(), Stop> {
        suite.iter().try_for_each(|statement| self.statement(statement))
    }

    /// A block that may not be run, or not to its end.
    fn branch(&mut self, suite: &[Stmt]) -> Result<(), Stop> {
        let before = std::mem::replace(&mut self.optional, true);
        let result = match self.depth.checked_sub(1) {
            Some(depth) => {
                self.depth = depth;
                let result = self.suite(suite);
                self.depth += 1;
                result
            }
            None => suite.first().map_or(Ok(()), |first| self.stop(first, "nested too deeply")),
        };
        self.optional = before;
        result
    }

    fn stop<T>(&self, at: &impl Ranged, why: &'static str) -> Result<T, Stop> {
        Err(Stop { line: self.lines.line(at.start().to_usize()), why })
    }

    fn statement(&mut self, statement: &Stmt) -> Result<(), Stop> {
        match statement {
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::If(condition) => return self.condition(condition),
            Stmt::Try(attempt) => return self.attempt(attempt),
            // Its value is only computed when it is asked for.
            Stmt::TypeAlias(_) => {}
            other => {
                if let Some(why) = effect(other) {
                    return self.stop(other, why);
                }
            }
        }
        Ok(())
    }

    fn import(&mut self, import: &StmtImport) {
        for alias in &import.names {
            self.add(alias.name.to_string(), Vec::new(), 0, import.range, import.is_lazy);
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let module = import.module.as_ref().map(ToString::to_string).unwrap_or_default();
        if import.level == 0 && module == "__future__" {
            return;
        }
        let names = import.names.iter().map(|alias| alias.name.to_string()).collect();
        self.add(module, names, import.level, import.range, import.is_lazy);
    }

    fn add(&mut self, module: String, names: Vec<String>, level: u32, at: TextRange, lazy: bool) {
        let line = self.lines.line(at.start().to_usize());
        let optional = self.optional || lazy;
        self.found.imports.push(ImportStatement { module, names, level, line, optional });
        self.found.end = self.found.end.max(at.end().to_usize());
    }

    fn condition(&mut self, condition: &StmtIf) -> Result<(), Stop> {
        let else_if = condition.elif_else_clauses.iter();
        let clauses = std::iter::once((Some(&*condition.test), &condition.body))
            .chain(else_if.map(|clause| (clause.test.as_ref(), &clause.body)));
        for (test, body) in clauses {
            match test.map_or(Question::Platform, question) {
                Question::TypeChecking => {}
                Question::Platform => self.branch(body)?,
                // Nothing behind it is reached.
                Question::NotTypeChecking => return self.branch(body),
                Question::Main => return self.stop(condition, "the main part begins"),
                Question::Other => return self.stop(condition, "a condition"),
            }
        }
        Ok(())
    }

    fn attempt(&mut self, attempt: &StmtTry) -> Result<(), Stop> {
        if attempt.is_star {
            return self.stop(attempt, "an except* clause");
        }
        self.branch(&attempt.body)?;
        for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
            if !handler.type_.as_deref().is_none_or(catches_failed_import) {
                return self.stop(handler, "a handler of other errors than failed imports");
            }
            self.branch(&handler.body)?;
        }
        self.branch(&attempt.orelse)?;
        self.branch(&attempt.finalbody)
    }
}

fn catches_failed_import(caught: &Expr) -> bool {
    const NAMES: [&str; 7] = [
        "ImportError",
        "ModuleNotFoundError",
        "AttributeError",
        "OSError",
        "RuntimeError",
        "Exception",
        "BaseException",
    ];
    match caught {
        Expr::Tuple(tuple) => tuple
            .elts
            .iter()
            .all(|part| matches!(part, Expr::Name(_)) && catches_failed_import(part)),
        other => NAMES.iter().any(|name| is_name(other, name)),
    }
}

/// Why a statement other than an import or a block may have an effect; `None` where it has none.
fn effect(statement: &Stmt) -> Option<&'static str> {
    match statement {
        statement if is_idle(statement) => None,
        Stmt::Assign(assign) => {
            if !assign.targets.iter().all(is_plain_target) {
                Some("an assignment to something else than a variable")
            } else if !is_constant(&assign.value) {
                Some("an assignment that is computed")
            } else {
                None
            }
        }
        Stmt::AnnAssign(assign) => {
            if !is_plain_target(&assign.target) || !is_quiet_annotation(&assign.annotation) {
                Some("an annotated assignment that is computed")
            } else if !assign.value.as_deref().is_none_or(is_constant) {
                Some("an assignment that is computed")
            } else {
                None
            }
        }
        Stmt::FunctionDef(function) => function_effect(function),
        Stmt::ClassDef(class) => class_effect(class),
        Stmt::Expr(_) => Some("an expression"),
        Stmt::AugAssign(_) => Some("an assignment that is computed"),
        Stmt::For(_) | Stmt::While(_) => Some("a loop"),
        Stmt::With(_) => Some("a with statement"),
        Stmt::Raise(_) | Stmt::Assert(_) => Some("an error that is raised"),
        Stmt::Delete(_) => Some("a deletion"),
        _ => Some("a statement that does something"),
    }
}

/// A variable, or several, that imports do not depend on.
fn is_plain_target(target: &Expr) -> bool {
    match target {
        Expr::Name(name) => !IMPORT_VARIABLES.contains(&name.id.as_str()),
        Expr::Tuple(tuple) => tuple.elts.iter().all(|part| matches!(part, Expr::Name(name) if !IMPORT_VARIABLES.contains(&name.id.as_str()))),
        _ => false,
    }
}

fn function_effect(function: &StmtFunctionDef) -> Option<&'static str> {
    let returns = function.returns.as_deref();
    if !function.decorator_list.is_empty() {
        Some("a decorator")
    } else if has_quiet_parameters(&function.parameters) && returns.is_none_or(is_quiet_annotation)
    {
        None
    } else {
        Some("a function whose defaults or annotations are computed")
    }
}

fn has_quiet_parameters(parameters: &Parameters) -> bool {
    parameters.iter().all(|parameter| {
        parameter.default().is_none_or(is_constant)
            && parameter.annotation().is_none_or(is_quiet_annotation)
    })
}

fn class_effect(class: &StmtClassDef) -> Option<&'static str> {
    if !class.decorator_list.is_empty() {
        return Some("a decorator");
    }
    if let Some(arguments) = &class.arguments {
        // A keyword may be a metaclass, which runs code of its own.
        let plain = arguments.args.iter().all(|base| matches!(base, Expr::Name(_)));
        if !plain || !arguments.keywords.is_empty() {
            return Some("a class whose bases are computed");
        }
    }
    let quiet = class.body.iter().all(|statement| match statement {
        Stmt::FunctionDef(_) | Stmt::Assign(_) | Stmt::AnnAssign(_) => effect(statement).is_none(),
        other => is_idle(other),
    });
    if quiet { None } else { Some("a class whose body does something") }
}
