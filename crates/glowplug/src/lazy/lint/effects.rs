//! What importing a module does to the rest of the program.
//!
//! The check warns of it, and `glowplug lazy check` names it as the cause where a module that is loaded later makes a difference.

use super::bindings::{self, Bindings, is_type_checking, range_of, root_name};
use super::{Raw, Rule};
use crate::source::{self, Lines, Syntax};
use ruff_python_ast::{Decorator, Expr, Stmt, StmtClassDef};
use ruff_text_size::{Ranged, TextRange};
use serde::{Deserialize, Serialize};

/// What kind of effect an import has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// A codec or an error handler of codecs.
    Codec,
    /// A handler of events, signals or hooks.
    Event,
    /// An entry in somebody else's table.
    Registration,
    /// A part of another module or object is replaced.
    MonkeyPatch,
    /// The search path of imports.
    SearchPath,
    /// Something that belongs to the whole process: environment, locale, signals, output.
    Process,
    /// A class whose base or metaclass may take note of it.
    Class,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Its kind.
    pub kind: EffectKind,
    /// The line, from 1.
    pub line: u32,
    /// What does it: `codecs.register`, `@event.listens_for`.
    pub what: String,
    /// Whether it is one for sure; a class with an imported base may as well have none.
    pub certain: bool,
}

/// The effects of importing a source; none where it cannot be read as Python.
pub fn effects(bytes: &[u8]) -> Vec<Effect> {
    let Some(text) = source::text(bytes) else { return Vec::new() };
    let Some(syntax) = Syntax::parse(&text) else { return Vec::new() };
    let lines = Lines::new(&text);
    let bindings = bindings::of(syntax.body());
    collect(syntax.body(), &bindings)
        .into_iter()
        .map(|found| Effect {
            kind: found.kind,
            line: lines.line(found.range.start().to_usize()),
            what: found.what,
            certain: found.certain,
        })
        .collect()
}

/// The effects as findings.
pub(super) fn findings(suite: &[Stmt], bindings: &Bindings) -> Vec<Raw> {
    let imports: Vec<TextRange> =
        bindings.names.values().map(|binding| binding.statement).collect();
    collect(suite, bindings)
        .into_iter()
        .filter(|found| found.certain)
        .filter_map(|found| finding(found, &imports))
        .collect()
}

fn finding(found: Found, imports: &[TextRange]) -> Option<Raw> {
    let what = &found.what;
    let (rule, message, help) = match found.kind {
        EffectKind::SearchPath => {
            let later = imports.iter().any(|import| import.start() > found.range.end());
            let earlier = imports.iter().any(|import| import.end() < found.range.start());
            let message = match (earlier, later) {
                (_, true) => {
                    format!("`{what}` is edited before imports that may run after it changes again")
                }
                (true, false) => {
                    format!("`{what}` is edited after imports that will be searched for later")
                }
                (false, false) => return None,
            };
            let help = "keep this module eager, or set the path before Python starts (PYTHONPATH, a .pth file)";
            (Rule::SysPath, message, help)
        }
        EffectKind::MonkeyPatch => (
            Rule::MonkeyPatch,
            format!(
                "importing this module replaces `{what}`, which others see only once it is loaded"
            ),
            "keep the modules that import this one eager: `[tool.glowplug.lazy] exclude`",
        ),
        kind => (
            Rule::SideEffect,
            format!("{} when this module is imported: `{what}`", deed(kind)),
            "move it into a function that the program calls, or keep the modules that import this one eager",
        ),
    };
    Some(Raw { rule, range: found.range, message, help: help.to_owned() })
}

fn deed(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::Codec => "a codec is registered",
        EffectKind::Event => "an event handler is registered",
        EffectKind::Registration => "something is registered",
        EffectKind::Process => "the process is changed",
        EffectKind::Class => "a class is registered",
        EffectKind::MonkeyPatch | EffectKind::SearchPath => "something is replaced",
    }
}

struct Found {
    kind: EffectKind,
    range: TextRange,
    what: String,
    certain: bool,
}

fn collect(suite: &[Stmt], bindings: &Bindings) -> Vec<Found> {
    let mut collector = Collector { bindings, found: Vec::new() };
    collector.suite(suite);
    collector.found
}

struct Collector<'a> {
    bindings: &'a Bindings,
    found: Vec<Found>,
}

impl Collector<'_> {
    fn suite(&mut self, suite: &[Stmt]) {
        for statement in suite {
            self.statement(statement);
        }
    }

    fn add(&mut self, kind: EffectKind, range: TextRange, what: String) {
        self.found.push(Found { kind, range, what, certain: true });
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Expr(statement) => self.call(&statement.value),
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.replaced(target);
                }
            }
            Stmt::AugAssign(assign) => self.replaced(&assign.target),
            Stmt::Delete(delete) => delete.targets.iter().for_each(|target| self.replaced(target)),
            Stmt::FunctionDef(function) => self.decorators(&function.decorator_list),
            Stmt::ClassDef(class) => {
                self.decorators(&class.decorator_list);
                self.class(class);
            }
            Stmt::If(branch) => {
                if !is_type_checking(&branch.test) && !asks_for_main(&branch.test) {
                    self.suite(&branch.body);
                }
                branch.elif_else_clauses.iter().for_each(|clause| self.suite(&clause.body));
            }
            Stmt::Try(block) => {
                for suite in [&block.body, &block.orelse, &block.finalbody] {
                    self.suite(suite);
                }
            }
            Stmt::With(block) => self.suite(&block.body),
            Stmt::For(block) => self.suite(&block.body),
            Stmt::While(block) => self.suite(&block.body),
            Stmt::Match(block) => block.cases.iter().for_each(|case| self.suite(&case.body)),
            _ => {}
        }
    }

    /// A call that stands by itself.
    fn call(&mut self, expression: &Expr) {
        let Expr::Call(call) = expression else { return };
        let range = range_of(expression);
        if let Expr::Name(name) = &*call.func
            && name.id.as_str() == "setattr"
            && let Some(target) = call.arguments.args.first()
            && let Some((_, binding)) = self.bindings.root(target)
        {
            let what = self.bindings.qualified(target).unwrap_or_else(|| binding.module.clone());
            return self.add(EffectKind::MonkeyPatch, range, format!("setattr({what}, …)"));
        }
        if let Expr::Name(name) = &*call.func
            && name.id.as_str() == "print"
        {
            return self.add(EffectKind::Process, range, "print".to_owned());
        }
        let Some(what) = self.bindings.qualified(&call.func) else { return };
        if self.bindings.root(&call.func).is_none() {
            return;
        }
        if let Some(kind) = kind_of_call(&what) {
            let what = if kind == EffectKind::SearchPath { path_of(&what) } else { what };
            self.add(kind, range, what);
        }
    }

    fn decorators(&mut self, decorators: &[Decorator]) {
        for decorator in decorators {
            let function = match &decorator.expression {
                Expr::Call(call) => &*call.func,
                other => other,
            };
            let Expr::Attribute(attribute) = function else {
                self.named_decorator(function, decorator.range());
                continue;
            };
            let name = attribute.attr.as_str();
            if root_name(function).is_some_and(|root| self.bindings.names.contains_key(root))
                && let Some(kind) = kind_of_method(name)
            {
                let what = self.bindings.qualified(function).unwrap_or_else(|| name.to_owned());
                self.add(kind, decorator.range(), format!("@{what}"));
            }
        }
    }

    fn named_decorator(&mut self, function: &Expr, range: TextRange) {
        let Some(what) = self.bindings.qualified(function) else { return };
        let last = what.rsplit('.').next().unwrap_or_default();
        if let Some(kind) = kind_of_method(last) {
            self.add(kind, range, format!("@{what}"));
        }
    }

    fn class(&mut self, class: &StmtClassDef) {
        let Some(arguments) = &class.arguments else { return };
        let bases = arguments.args.iter().chain(
            arguments
                .keywords
                .iter()
                .filter(|keyword| keyword.arg.as_deref() == Some("metaclass"))
                .map(|keyword| &keyword.value),
        );
        for base in bases {
            if let Some(what) = self.bindings.qualified(base) {
                self.found.push(Found {
                    kind: EffectKind::Class,
                    range: class.name.range(),
                    what: format!("class {}({what})", class.name),
                    certain: false,
                });
                return;
            }
        }
    }

    /// Something that is assigned to or deleted.
    fn replaced(&mut self, target: &Expr) {
        match target {
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| self.replaced(part)),
            Expr::List(list) => list.elts.iter().for_each(|part| self.replaced(part)),
            Expr::Attribute(attribute) => self.replaced_part(target, &attribute.value),
            Expr::Subscript(subscript) => self.replaced_part(target, &subscript.value),
            _ => {}
        }
    }

    fn replaced_part(&mut self, target: &Expr, owner: &Expr) {
        if self.bindings.root(target).is_none() {
            return;
        }
        let part = if matches!(target, Expr::Attribute(_)) { target } else { owner };
        let Some(what) = self.bindings.qualified(part) else { return };
        let kind = match what.as_str() {
            "os.environ" => EffectKind::Process,
            name if SEARCH_PATHS.contains(&name) => EffectKind::SearchPath,
            _ => EffectKind::MonkeyPatch,
        };
        self.add(kind, range_of(target), what);
    }
}

const SEARCH_PATHS: &[&str] = &["sys.path", "sys.meta_path", "sys.path_hooks"];

/// `sys.path` of `sys.path.insert`.
fn path_of(call: &str) -> String {
    call.rsplit_once('.')
        .filter(|(path, _)| SEARCH_PATHS.contains(path))
        .map_or(call, |(path, _)| path)
        .to_owned()
}

/// What a call of this dotted name is for, where it stands by itself; `None` where that is not known.
fn kind_of_call(what: &str) -> Option<EffectKind> {
    let (owner, method) = what.rsplit_once('.')?;
    if SEARCH_PATHS.contains(&owner) || what == "site.addsitedir" || what == "os.chdir" {
        return Some(EffectKind::SearchPath);
    }
    if owner == "codecs" && method.starts_with("register") {
        return Some(EffectKind::Codec);
    }
    if PROCESS_CALLS.contains(&what) || owner == "os.environ" {
        return Some(EffectKind::Process);
    }
    kind_of_method(method)
}

/// Calls that change the whole process.
const PROCESS_CALLS: &[&str] = &[
    "faulthandler.enable",
    "gc.disable",
    "gc.freeze",
    "gc.set_threshold",
    "locale.setlocale",
    "logging.basicConfig",
    "logging.captureWarnings",
    "logging.config.dictConfig",
    "logging.config.fileConfig",
    "multiprocessing.set_start_method",
    "os.putenv",
    "os.umask",
    "random.seed",
    "signal.signal",
    "socket.setdefaulttimeout",
    "sys.setrecursionlimit",
    "sys.setswitchinterval",
    "time.tzset",
    "warnings.filterwarnings",
    "warnings.simplefilter",
];

/// What methods and decorators of this name usually do to their owner.
fn kind_of_method(name: &str) -> Option<EffectKind> {
    let event =
        ["listen", "listens_for", "receiver", "subscribe", "subscriber", "connect", "on_event"];
    if event.contains(&name) {
        return Some(EffectKind::Event);
    }
    let registers = name == "register"
        || name.starts_with("register_")
        || name.ends_with("_register")
        || name == "monkey_patch"
        || name.starts_with("patch_all");
    let adds = ["append", "extend", "insert", "update", "setdefault", "add"].contains(&name)
        || (name.starts_with("add_") && name != "add_argument");
    let routes =
        ["route", "command", "task", "handler", "errorhandler", "implements", "shared_task"]
            .contains(&name);
    if name == "monkey_patch" || name == "patch_all" {
        return Some(EffectKind::MonkeyPatch);
    }
    (registers || adds || routes).then_some(EffectKind::Registration)
}

fn asks_for_main(test: &Expr) -> bool {
    matches!(test, Expr::Compare(compare) if root_name(&compare.left) == Some("__name__"))
}
