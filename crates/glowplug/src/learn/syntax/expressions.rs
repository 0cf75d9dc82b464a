//! Expressions that are evaluated without running anybody's code.

use ruff_python_ast::{Expr, ExprAttribute, Operator};

/// Nesting beyond which an expression counts as doing something; nobody writes deeper constants by hand.
const DEEPEST: u32 = 100;

/// Literals, signs before them, arithmetic on numbers, and collections of these.
pub(super) fn is_constant(expression: &Expr) -> bool {
    constant(expression, DEEPEST)
}

fn constant(expression: &Expr, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let all = |parts: &[Expr]| parts.iter().all(|part| constant(part, depth));
    match expression {
        Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_)
        | Expr::EllipsisLiteral(_) => true,
        Expr::UnaryOp(unary) => constant(&unary.operand, depth),
        Expr::BinOp(_) => is_number(expression, depth),
        Expr::Tuple(tuple) => all(&tuple.elts),
        Expr::List(list) => all(&list.elts),
        // An unhashable member raises, and then nothing behind it is reached.
        Expr::Set(set) => set.elts.iter().all(|part| is_scalar(part, depth)),
        Expr::Dict(dict) => dict.items.iter().all(|item| {
            item.key.as_ref().is_some_and(|key| is_scalar(key, depth))
                && constant(&item.value, depth)
        }),
        _ => false,
    }
}

fn is_scalar(expression: &Expr, depth: u32) -> bool {
    match expression {
        Expr::List(_) | Expr::Set(_) | Expr::Dict(_) => false,
        Expr::Tuple(tuple) => depth > 0 && tuple.elts.iter().all(|part| is_scalar(part, depth - 1)),
        other => constant(other, depth),
    }
}

/// Numbers under operators that neither raise nor take long, as in `60 * 60`.
fn is_number(expression: &Expr, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match expression {
        Expr::NumberLiteral(_) => true,
        Expr::UnaryOp(unary) => is_number(&unary.operand, depth),
        Expr::BinOp(binary) => {
            matches!(binary.op, Operator::Add | Operator::Sub | Operator::Mult)
                && is_number(&binary.left, depth)
                && is_number(&binary.right, depth)
        }
        _ => false,
    }
}

/// What an annotation may be: anything without a call or a new scope.
pub(super) fn is_quiet_annotation(expression: &Expr) -> bool {
    annotation(expression, DEEPEST)
}

fn annotation(expression: &Expr, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match expression {
        Expr::Name(_) => true,
        Expr::Attribute(attribute) => annotation(&attribute.value, depth),
        Expr::Subscript(subscript) => {
            annotation(&subscript.value, depth) && annotation(&subscript.slice, depth)
        }
        Expr::Starred(starred) => annotation(&starred.value, depth),
        Expr::BinOp(binary) => annotation(&binary.left, depth) && annotation(&binary.right, depth),
        Expr::Tuple(tuple) => tuple.elts.iter().all(|part| annotation(part, depth)),
        Expr::List(list) => list.elts.iter().all(|part| annotation(part, depth)),
        other => constant(other, depth),
    }
}

/// What an `if` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// `TYPE_CHECKING`: false when the program runs.
    TypeChecking,
    /// `not TYPE_CHECKING`: true when the program runs.
    NotTypeChecking,
    /// Something about the interpreter or the platform: both branches are possible.
    Platform,
    /// `__name__ == "__main__"`.
    Main,
    /// Anything else.
    Other,
}

pub(super) fn question(test: &Expr) -> Question {
    if is_type_checking(test) {
        return Question::TypeChecking;
    }
    match test {
        Expr::UnaryOp(not) if not.op == ruff_python_ast::UnaryOp::Not => {
            match question(&not.operand) {
                Question::TypeChecking => Question::NotTypeChecking,
                Question::NotTypeChecking => Question::TypeChecking,
                Question::Platform => Question::Platform,
                Question::Main | Question::Other => Question::Other,
            }
        }
        Expr::Compare(compare) if is_name(&compare.left, "__name__") => Question::Main,
        test if asks_platform(test, DEEPEST) => Question::Platform,
        _ => Question::Other,
    }
}

fn is_type_checking(expression: &Expr) -> bool {
    match expression {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => {
            attribute.attr.as_str() == "TYPE_CHECKING" && matches!(&*attribute.value, Expr::Name(_))
        }
        _ => false,
    }
}

fn asks_platform(test: &Expr, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match test {
        Expr::BoolOp(all) => all.values.iter().all(|part| asks_platform(part, depth)),
        Expr::UnaryOp(unary) => asks_platform(&unary.operand, depth),
        Expr::Compare(compare) => {
            let side = |part| is_platform_fact(part, depth) || constant(part, depth);
            is_platform_fact(&compare.left, depth) && compare.comparators.iter().all(side)
        }
        // sys.platform.startswith("win")
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return false };
            matches!(method.attr.as_str(), "startswith" | "endswith")
                && is_platform_fact(&method.value, depth)
                && call.arguments.keywords.is_empty()
                && call.arguments.args.iter().all(|argument| constant(argument, depth))
        }
        _ => false,
    }
}

/// `sys.version_info`, an item, slice or part of it, and the other facts that stay the same as long as the image is valid.
fn is_platform_fact(expression: &Expr, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match expression {
        Expr::Attribute(attribute) => {
            is_fact_of_module(attribute)
                || matches!(attribute.attr.as_str(), "major" | "minor" | "micro" | "name")
                    && matches!(&*attribute.value, Expr::Attribute(inner) if is_fact_of_module(inner))
        }
        Expr::Subscript(subscript) => {
            let index = match &*subscript.slice {
                Expr::Slice(slice) => [&slice.lower, &slice.upper, &slice.step]
                    .into_iter()
                    .flatten()
                    .all(|bound| constant(bound, depth)),
                index => constant(index, depth),
            };
            index && is_platform_fact(&subscript.value, depth)
        }
        _ => false,
    }
}

fn is_fact_of_module(attribute: &ExprAttribute) -> bool {
    let facts: &[&str] = if is_name(&attribute.value, "sys") {
        &["version_info", "platform", "hexversion", "maxsize", "byteorder", "implementation"]
    } else if is_name(&attribute.value, "os") {
        &["name"]
    } else {
        &[]
    };
    facts.contains(&attribute.attr.as_str())
}

pub(super) fn is_name(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Name(found) if found.id.as_str() == name)
}
