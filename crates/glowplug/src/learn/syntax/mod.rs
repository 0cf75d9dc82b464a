//! Finds the leading imports in a source.

mod expressions;
mod statements;
mod usage;

pub use usage::names_used;

use super::Leading;
use crate::source::{self, Syntax};
use ruff_python_ast::Stmt;

/// Why a source without a syntax that can be read has no leading imports.
const UNREADABLE: &str = "the source cannot be parsed";

/// The leading imports of a program, given the bytes of its source.
///
/// Leading are, from the top: docstrings, imports, definitions of functions and simple classes, assignments of constants, `if` on
/// `TYPE_CHECKING`, on `sys.version_info`, on `sys.platform` and the like, and `try` around imports. Everything else may change
/// what a later import does or whether it is reached, and ends them. A source that cannot be parsed has none, and counts as a whole.
pub fn leading(source: &[u8]) -> Leading {
    let whole = || Leading {
        statements: Vec::new(),
        prefix_len: source.len() as u64,
        stopped_at: Some((1, UNREADABLE)),
    };
    let Some(text) = source::text(source) else { return whole() };
    let Some(syntax) = Syntax::parse(&text) else { return whole() };
    let lines = source::Lines::new(&text);
    let found = statements::walk(syntax.body(), &lines);
    let end = found.end.max(lines.end_of_line(2));
    Leading {
        statements: found.imports,
        prefix_len: lines.end_of_line_at(end) as u64,
        stopped_at: found.stopped_at,
    }
}

/// Whether a statement is an expression without any effect: a docstring, `...`.
fn is_idle(statement: &Stmt) -> bool {
    match statement {
        Stmt::Pass(_) => true,
        Stmt::Expr(statement) => expressions::is_constant(&statement.value),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
