//! The patterns that the check knows.

/// How bad a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It defeats laziness: nothing breaks, nothing is gained.
    Note,
    /// It may break a program whose imports are lazy.
    Warning,
}

impl Severity {
    /// As SARIF and people call it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
        }
    }
}

/// A pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A statement at module level that changes something outside the module.
    SideEffect,
    /// An attribute or item of something imported is replaced at module level.
    MonkeyPatch,
    /// A module is imported and its name never used.
    ImportForEffect,
    /// `sys.path` and its like are edited beside imports.
    SysPath,
    /// A submodule is reached through its parent without being imported.
    SubmoduleThroughParent,
    /// Classes announce themselves when their module runs.
    ClassRegistry,
    /// The program asks which modules are loaded.
    LoadedModules,
    /// A name is looked up in the dictionary of a module.
    NamespaceLookup,
    /// An annotation is evaluated at import.
    Annotation,
    /// An alias of something imported.
    Alias,
    /// A type variable, new type or the like with something imported in it.
    TypeVariable,
    /// A base class that is imported.
    BaseClass,
    /// A decorator that is imported.
    Decorator,
    /// A default value that needs an import.
    Default,
    /// Any other use while the module is imported.
    UsedAtImport,
    /// An import that is eager by the rules of PEP 810.
    EagerImport,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 16] = [
        Rule::SideEffect,
        Rule::MonkeyPatch,
        Rule::ImportForEffect,
        Rule::SysPath,
        Rule::SubmoduleThroughParent,
        Rule::ClassRegistry,
        Rule::LoadedModules,
        Rule::NamespaceLookup,
        Rule::Annotation,
        Rule::Alias,
        Rule::TypeVariable,
        Rule::BaseClass,
        Rule::Decorator,
        Rule::Default,
        Rule::UsedAtImport,
        Rule::EagerImport,
    ];

    /// Its name in reports and in `# glowplug: allow(…)`.
    pub fn id(self) -> &'static str {
        match self {
            Rule::SideEffect => "side-effect",
            Rule::MonkeyPatch => "monkey-patch",
            Rule::ImportForEffect => "import-for-effect",
            Rule::SysPath => "sys-path",
            Rule::SubmoduleThroughParent => "submodule-through-parent",
            Rule::ClassRegistry => "class-registry",
            Rule::LoadedModules => "loaded-modules",
            Rule::NamespaceLookup => "namespace-lookup",
            Rule::Annotation => "annotation",
            Rule::Alias => "alias",
            Rule::TypeVariable => "type-variable",
            Rule::BaseClass => "base-class",
            Rule::Decorator => "decorator",
            Rule::Default => "default",
            Rule::UsedAtImport => "used-at-import",
            Rule::EagerImport => "eager-import",
        }
    }

    /// The rule of a name.
    pub fn from_id(id: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.id() == id)
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Rule::SideEffect
            | Rule::MonkeyPatch
            | Rule::ImportForEffect
            | Rule::SysPath
            | Rule::SubmoduleThroughParent
            | Rule::ClassRegistry
            | Rule::LoadedModules
            | Rule::NamespaceLookup => Severity::Warning,
            Rule::Annotation
            | Rule::Alias
            | Rule::TypeVariable
            | Rule::BaseClass
            | Rule::Decorator
            | Rule::Default
            | Rule::UsedAtImport
            | Rule::EagerImport => Severity::Note,
        }
    }

    /// What it is about, in one sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Rule::SideEffect => "importing the module changes something outside of it",
            Rule::MonkeyPatch => "importing the module replaces a part of another one",
            Rule::ImportForEffect => "a module is imported for what its import does",
            Rule::SysPath => "the search path of imports is edited beside imports",
            Rule::SubmoduleThroughParent => {
                "a submodule is used that only somebody else's import loads"
            }
            Rule::ClassRegistry => "classes register themselves when their module is imported",
            Rule::LoadedModules => "the program asks which modules are loaded",
            Rule::NamespaceLookup => "a name is looked up in the dictionary of a module",
            Rule::Annotation => "an annotation loads a module at import",
            Rule::Alias => "an alias loads a module at import",
            Rule::TypeVariable => "a type variable loads a module at import",
            Rule::BaseClass => "a base class loads a module at import",
            Rule::Decorator => "a decorator loads a module at import",
            Rule::Default => "a default value loads a module at import",
            Rule::UsedAtImport => "a module is used while its importer is imported",
            Rule::EagerImport => "an import is eager by the rules of PEP 810",
        }
    }
}
