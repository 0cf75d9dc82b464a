//! Follows what runs while a module is imported, and sees which imports it needs.

use super::bindings::{Binding, Bindings, is_type_checking, range_of, root_name};
use super::{Context, Raw, Rule};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, Parameters, Stmt, StmtClassDef, StmtFunctionDef, TypeParams};
use ruff_text_size::{Ranged, TextRange};
use std::collections::BTreeSet;

pub(super) fn walk(suite: &[Stmt], bindings: &Bindings, context: &Context) -> Vec<Raw> {
    let eager_annotations = context.eager_annotations && !bindings.future_annotations;
    let mut walker =
        Walker { bindings, eager_annotations, loaded: BTreeSet::new(), found: Vec::new() };
    walker.suite(suite);
    let mut found = walker.found;
    found.extend(statements(bindings, context));
    let mut anywhere = Anywhere { bindings, context, seen: BTreeSet::new(), found: Vec::new() };
    anywhere.visit_body(suite);
    found.extend(anywhere.found);
    found
}

/// What can be said of the import statements themselves.
fn statements(bindings: &Bindings, context: &Context) -> Vec<Raw> {
    let mut found = Vec::new();
    for (range, module) in &bindings.stars {
        found.push(Raw {
            rule: Rule::EagerImport,
            range: *range,
            message: format!("`from {module} import *` is always eager"),
            help: "name what is imported".to_owned(),
        });
    }
    for (name, binding) in &bindings.names {
        if let Some(eager) = binding.eager {
            found.push(Raw {
                rule: Rule::EagerImport,
                range: binding.range,
                message: format!("an import {eager} is always eager: `{name}`"),
                help: "ask `importlib.util.find_spec` whether the module is there, and import it outside".to_owned(),
            });
        }
        let needless = binding.eager.is_none()
            && !binding.for_types
            && !binding.is_export
            && binding.attribute.is_none()
            && !context.is_package
            && !bindings.used.contains(name);
        if needless {
            found.push(Raw {
                rule: Rule::ImportForEffect,
                range: binding.range,
                message: format!(
                    "`{name}` is never used, so that a lazy import never loads `{}`",
                    binding.module
                ),
                help: "if its import is needed for what it does, use `importlib.import_module`; else remove it".to_owned(),
            });
        }
    }
    found
}

/// Walks what runs at import.
struct Walker<'a> {
    bindings: &'a Bindings,
    eager_annotations: bool,
    /// Names whose load has been reported: only the first use costs anything.
    loaded: BTreeSet<String>,
    found: Vec<Raw>,
}

impl Walker<'_> {
    fn suite(&mut self, suite: &[Stmt]) {
        for statement in suite {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Assign(assign) => self.assignment(&assign.value),
            Stmt::AnnAssign(assign) => {
                if self.eager_annotations {
                    self.uses(&assign.annotation, Rule::Annotation);
                }
                if let Some(value) = &assign.value {
                    self.assignment(value);
                }
            }
            Stmt::If(branch) => {
                if !is_type_checking(&branch.test) {
                    self.uses(&branch.test, Rule::UsedAtImport);
                    self.suite(&branch.body);
                }
                for clause in &branch.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.uses(test, Rule::UsedAtImport);
                    }
                    self.suite(&clause.body);
                }
            }
            Stmt::Try(block) => {
                self.suite(&block.body);
                self.suite(&block.orelse);
                self.suite(&block.finalbody);
            }
            Stmt::With(block) => {
                for item in &block.items {
                    self.uses(&item.context_expr, Rule::UsedAtImport);
                }
                self.suite(&block.body);
            }
            Stmt::For(block) => {
                self.uses(&block.iter, Rule::UsedAtImport);
                self.suite(&block.body);
            }
            Stmt::While(block) => {
                self.uses(&block.test, Rule::UsedAtImport);
                self.suite(&block.body);
            }
            Stmt::Expr(statement) => self.uses(&statement.value, Rule::UsedAtImport),
            Stmt::AugAssign(assign) => self.uses(&assign.value, Rule::UsedAtImport),
            Stmt::Assert(assert) => self.uses(&assert.test, Rule::UsedAtImport),
            _ => {}
        }
    }

    fn function(&mut self, function: &StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.uses(&decorator.expression, Rule::Decorator);
        }
        self.parameters(&function.parameters);
        // Behind type parameters, annotations are evaluated lazily only for the parameters' own bounds.
        if self.eager_annotations
            && let Some(returns) = &function.returns
        {
            self.uses(returns, Rule::Annotation);
        }
    }

    fn parameters(&mut self, parameters: &Parameters) {
        for parameter in parameters.iter() {
            if let Some(default) = parameter.default() {
                self.uses(default, Rule::Default);
            }
            if self.eager_annotations
                && let Some(annotation) = parameter.annotation()
            {
                self.uses(annotation, Rule::Annotation);
            }
        }
    }

    fn class(&mut self, class: &StmtClassDef) {
        for decorator in &class.decorator_list {
            self.uses(&decorator.expression, Rule::Decorator);
        }
        if let Some(arguments) = &class.arguments {
            for base in &arguments.args {
                self.uses(base, Rule::BaseClass);
            }
            for keyword in &arguments.keywords {
                self.uses(&keyword.value, Rule::BaseClass);
            }
        }
        self.suite(&class.body);
    }

    /// The value of an assignment at module or class level.
    fn assignment(&mut self, value: &Expr) {
        let rule = match value {
            Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) | Expr::BinOp(_) => Rule::Alias,
            Expr::Call(call) if self.is_type_variable(&call.func) => {
                // The call itself loads typing, which is loaded anyway.
                for argument in &call.arguments.args {
                    self.uses(argument, Rule::TypeVariable);
                }
                for keyword in &call.arguments.keywords {
                    self.uses(&keyword.value, Rule::TypeVariable);
                }
                Rule::UsedAtImport
            }
            _ => Rule::UsedAtImport,
        };
        self.uses(value, rule);
    }

    fn is_type_variable(&self, function: &Expr) -> bool {
        let known = [
            "TypeVar",
            "ParamSpec",
            "TypeVarTuple",
            "NewType",
            "TypeAliasType",
            "NamedTuple",
            "TypedDict",
            "cast",
        ];
        let name = self.bindings.qualified(function);
        name.as_deref()
            .and_then(|name| {
                name.strip_prefix("typing.").or(name.strip_prefix("typing_extensions."))
            })
            .is_some_and(|name| known.contains(&name))
    }

    /// Reports the imports that evaluating an expression needs.
    fn uses(&mut self, expression: &Expr, rule: Rule) {
        let mut names = Names::default();
        names.visit_expr(expression);
        for (name, range) in names.found {
            let Some(binding) = self.bindings.names.get(&name) else { continue };
            let is_lazy = binding.eager.is_none() && !binding.for_types;
            if !is_lazy || is_always_loaded(&binding.module) || !self.loaded.insert(name.clone()) {
                continue;
            }
            self.found.push(Raw {
                rule,
                range,
                message: format!(
                    "{} loads `{}` while this module is imported",
                    subject(rule, &name),
                    binding.module
                ),
                help: help(rule, binding),
            });
        }
    }
}

fn subject(rule: Rule, name: &str) -> String {
    match rule {
        Rule::Annotation => format!("the annotation with `{name}`"),
        Rule::Alias => format!("the alias of `{name}`"),
        Rule::TypeVariable => format!("the type variable with `{name}`"),
        Rule::BaseClass => format!("the base class `{name}`"),
        Rule::Decorator => format!("the decorator `{name}`"),
        Rule::Default => format!("the default value with `{name}`"),
        _ => format!("`{name}`"),
    }
}

fn help(rule: Rule, binding: &Binding) -> String {
    let module = &binding.module;
    match rule {
        Rule::Annotation => "add `from __future__ import annotations`".to_owned(),
        Rule::Alias => "put the alias into a function or under `if TYPE_CHECKING`".to_owned(),
        Rule::TypeVariable => "quote what is imported: bound=\"module.Class\"".to_owned(),
        Rule::Default => {
            "use None as the default and fill it in when the function is called".to_owned()
        }
        Rule::BaseClass | Rule::Decorator => {
            format!(
                "nothing to do if every start needs `{module}`; else define it where it is needed"
            )
        }
        _ => format!("use `{module}` in a function, or accept that its import is never lazy"),
    }
}

/// Modules that every interpreter has loaded before a program's first import: a lazy import of them gains nothing, and nobody
/// need be told of it.
fn is_always_loaded(module: &str) -> bool {
    let loaded = [
        "sys",
        "builtins",
        "os",
        "os.path",
        "io",
        "abc",
        "codecs",
        "stat",
        "site",
        "time",
        "marshal",
        "_thread",
        "_weakref",
        "_io",
        "posix",
        "posixpath",
        "genericpath",
        "_collections_abc",
        "typing",
        "typing_extensions",
        "types",
        "__future__",
    ];
    loaded.contains(&module)
}

/// The names that evaluating an expression loads; bodies of lambdas run later.
#[derive(Default)]
struct Names {
    found: Vec<(String, TextRange)>,
}

impl<'a> Visitor<'a> for Names {
    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx.is_load() => {
                self.found.push((name.id.to_string(), name.range));
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    for default in parameters.iter().filter_map(|parameter| parameter.default()) {
                        self.visit_expr(default);
                    }
                }
            }
            _ => visitor::walk_expr(self, expression),
        }
    }

    // Bounds of type parameters are evaluated when somebody asks.
    fn visit_type_params(&mut self, _: &'a TypeParams) {}
}

/// Patterns that matter wherever they stand, functions included.
struct Anywhere<'a> {
    bindings: &'a Bindings,
    context: &'a Context,
    seen: BTreeSet<String>,
    found: Vec<Raw>,
}

impl<'a> Visitor<'a> for Anywhere<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::FunctionDef(function) = statement
            && function.name.as_str() == "__init_subclass__"
        {
            self.add(
                Rule::ClassRegistry,
                function.name.range(),
                "`__init_subclass__` hears of a class only once its module is loaded".to_owned(),
                "keep the modules that import the subclasses eager, or load them before they are asked for",
            );
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Attribute(attribute) => {
                if attribute.attr.as_str() == "__subclasses__" {
                    self.add(
                        Rule::ClassRegistry,
                        range_of(expression),
                        "`__subclasses__` knows a class only once its module is loaded".to_owned(),
                        "keep the modules that import the subclasses eager, or load them before asking",
                    );
                }
                self.submodule(expression);
                self.dictionary_of_module(expression);
            }
            Expr::Compare(compare) => {
                let asks = compare.ops.iter().any(|op| op.is_in() || op.is_not_in());
                for right in compare.comparators.iter().filter(|_| asks) {
                    self.loaded_modules(right, range_of(expression));
                }
            }
            Expr::Subscript(subscript) if subscript.ctx.is_load() => {
                self.loaded_modules(&subscript.value, range_of(expression));
                self.dictionary_call(&subscript.value, range_of(expression));
            }
            Expr::Call(call) => {
                if let Expr::Attribute(method) = &*call.func
                    && ["get", "pop", "setdefault"].contains(&method.attr.as_str())
                {
                    self.loaded_modules(&method.value, range_of(expression));
                    self.dictionary_call(&method.value, range_of(expression));
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

impl Anywhere<'_> {
    fn add(&mut self, rule: Rule, range: TextRange, message: String, help: &str) {
        self.found.push(Raw { rule, range, message, help: help.to_owned() });
    }

    fn loaded_modules(&mut self, expression: &Expr, range: TextRange) {
        if self.bindings.qualified(expression).as_deref() == Some("sys.modules") {
            self.add(
                Rule::LoadedModules,
                range,
                "a module that is imported lazily is not in `sys.modules` before its first use"
                    .to_owned(),
                "import the module instead, or ask `importlib.util.find_spec`",
            );
        }
    }

    /// `globals()["x"]`, `vars(module)["x"]`.
    fn dictionary_call(&mut self, expression: &Expr, range: TextRange) {
        let Expr::Call(call) = expression else { return };
        let Expr::Name(function) = &*call.func else { return };
        let asks = match (function.id.as_str(), call.arguments.args.first()) {
            ("globals", None) => !self.bindings.names.is_empty(),
            ("vars", Some(argument)) => self.is_module(argument),
            _ => false,
        };
        if asks {
            self.namespace(range);
        }
    }

    /// `module.__dict__`.
    fn dictionary_of_module(&mut self, expression: &Expr) {
        if let Expr::Attribute(attribute) = expression
            && attribute.attr.as_str() == "__dict__"
            && self.is_module(&attribute.value)
        {
            self.namespace(range_of(expression));
        }
    }

    fn is_module(&self, expression: &Expr) -> bool {
        self.bindings.root(expression).is_some_and(|(_, binding)| binding.attribute.is_none())
    }

    fn namespace(&mut self, range: TextRange) {
        self.add(
            Rule::NamespaceLookup,
            range,
            "the dictionary of a module does not load what is pending in it".to_owned(),
            "use getattr on the module",
        );
    }

    /// `a.b` where `a.b` is a module that this source does not import.
    fn submodule(&mut self, expression: &Expr) {
        let Expr::Attribute(attribute) = expression else { return };
        let Some(root) = root_name(expression) else { return };
        let is_parent =
            self.bindings.names.get(root).is_some_and(|binding| {
                binding.attribute.is_none() && !binding.module.starts_with('.')
            });
        if !is_parent {
            return;
        }
        let Some(parent) = self.bindings.qualified(&attribute.value) else { return };
        let name = format!("{parent}.{}", attribute.attr);
        let exists = self.context.modules.contains(&name) || is_hidden_submodule(&name);
        if !exists || self.bindings.imported.contains(&name) || !self.seen.insert(name.clone()) {
            return;
        }
        self.add(
            Rule::SubmoduleThroughParent,
            range_of(expression),
            format!("`{name}` is a module that this source does not import; somebody else's import may not have run yet"),
            &format!("add `import {name}`"),
        );
    }
}

/// Submodules of the standard library that importing their parent does not load.
fn is_hidden_submodule(name: &str) -> bool {
    const HIDDEN: &[&str] = &[
        "concurrent.futures.process",
        "concurrent.futures.thread",
        "ctypes.util",
        "ctypes.wintypes",
        "curses.ascii",
        "curses.panel",
        "curses.textpad",
        "dbm.dumb",
        "dbm.gnu",
        "dbm.ndbm",
        "email.encoders",
        "email.generator",
        "email.header",
        "email.headerregistry",
        "email.message",
        "email.mime",
        "email.parser",
        "email.policy",
        "email.utils",
        "html.entities",
        "html.parser",
        "http.client",
        "http.cookiejar",
        "http.cookies",
        "http.server",
        "importlib.abc",
        "importlib.machinery",
        "importlib.metadata",
        "importlib.resources",
        "importlib.util",
        "json.tool",
        "logging.config",
        "logging.handlers",
        "multiprocessing.managers",
        "multiprocessing.pool",
        "multiprocessing.shared_memory",
        "concurrent.futures",
        "test.support",
        "unittest.mock",
        "urllib.error",
        "urllib.parse",
        "urllib.request",
        "urllib.response",
        "urllib.robotparser",
        "wsgiref.simple_server",
        "wsgiref.util",
        "xml.dom",
        "xml.etree",
        "xml.parsers",
        "xml.sax",
        "xml.dom.minidom",
        "xml.etree.ElementTree",
        "xml.sax.saxutils",
        "xmlrpc.client",
        "xmlrpc.server",
    ];
    HIDDEN.contains(&name)
}
