use super::*;
use proptest::prelude::*;

fn context() -> Context {
    let modules = ["app", "app.core", "app.core.model", "app.tool"].map(str::to_owned);
    Context { is_package: false, modules: modules.into(), eager_annotations: true }
}

/// Rule and line of each finding.
fn found(source: &str) -> Vec<(&'static str, u32)> {
    let findings = lint(source.as_bytes(), &context()).unwrap();
    findings.iter().map(|finding| (finding.rule.id(), finding.line)).collect()
}

fn warnings(source: &str) -> Vec<(&'static str, u32)> {
    let findings = lint(source.as_bytes(), &context()).unwrap();
    let warnings = findings.iter().filter(|f| f.rule.severity() == Severity::Warning);
    warnings.map(|finding| (finding.rule.id(), finding.line)).collect()
}

#[test]
fn a_source_that_is_as_lazy_as_can_be_is_clean() {
    let source = "\
from __future__ import annotations
import json
from decimal import Decimal
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import numpy as np
LIMIT = 3
def f(x: Decimal, y: np.ndarray) -> str:
    return json.dumps(str(Decimal(x)))
";
    assert_eq!(found(source), []);
}

#[test]
fn registrations_at_module_level() {
    assert_eq!(warnings("import codecs\ncodecs.register(print)\n"), [("side-effect", 2)]);
    let source = "from sqlalchemy import event\n@event.listens_for(X, 'load')\ndef f(): ...\n";
    assert_eq!(warnings(source), [("side-effect", 2)]);
    assert_eq!(
        warnings("from django.dispatch import receiver\n@receiver(s)\ndef f(): ...\n"),
        [("side-effect", 2)]
    );
    assert_eq!(warnings("import atexit\nif x:\n    atexit.register(f)\n"), [("side-effect", 3)]);
    assert_eq!(warnings("import os\nos.environ['A'] = '1'\n"), [("side-effect", 2)]);
    assert_eq!(warnings("import logging\nlogging.basicConfig()\n"), [("side-effect", 2)]);
    assert_eq!(
        warnings("from .app import app\n@app.route('/')\ndef f(): ...\n"),
        [("side-effect", 2)]
    );
    assert_eq!(warnings("print('hello')\n"), [("side-effect", 1)]);
}

#[test]
fn what_only_a_program_does_is_no_side_effect() {
    assert_eq!(
        warnings("import logging\nif __name__ == '__main__':\n    logging.basicConfig()\n"),
        []
    );
    assert_eq!(warnings("import logging\ndef main():\n    logging.basicConfig()\n"), []);
    assert_eq!(warnings("names = []\nnames.append(1)\n"), []);
}

#[test]
fn monkey_patches() {
    assert_eq!(warnings("import json\njson.dumps = f\n"), [("monkey-patch", 2)]);
    assert_eq!(warnings("from a import B\nB.x, y = 1, 2\n"), [("monkey-patch", 2)]);
    assert_eq!(warnings("import json\nsetattr(json, 'dumps', f)\n"), [("monkey-patch", 2)]);
    assert_eq!(warnings("import a\na.table['x'] = 1\n"), [("monkey-patch", 2)]);
    assert_eq!(warnings("import a\ndel a.b\n"), [("monkey-patch", 2)]);
    assert_eq!(warnings("class A: pass\nA.x = 1\n"), []);
}

#[test]
fn imports_for_their_effect() {
    assert_eq!(warnings("import readline\nx = 1\n"), [("import-for-effect", 1)]);
    assert_eq!(warnings("import a.b\na.c()\n"), []);
    assert_eq!(warnings("import a as a\n"), []);
    assert_eq!(warnings("import a\n__all__ = ['a']\n"), []);
    assert_eq!(warnings("try:\n    import a\nexcept ImportError: pass\n"), []);
    let package = Context { is_package: true, ..context() };
    assert_eq!(lint(b"import a\n", &package).unwrap(), []);
}

#[test]
fn edits_of_the_search_path_beside_imports() {
    let source =
        "import sys\nsys.path.insert(0, 'vendor')\nimport vendored\nvendored.x\ndel sys.path[0]\n";
    assert_eq!(warnings(source), [("sys-path", 2), ("sys-path", 5)]);
    assert_eq!(warnings("import sys\nsys.path += ['x']\nimport a\na.b()\n"), [("sys-path", 2)]);
    assert_eq!(warnings("import sys\nsys.path[:] = []\nimport a\na.b()\n"), [("sys-path", 2)]);
    assert_eq!(warnings("import os\nos.chdir('x')\nimport a\na.b()\n"), [("sys-path", 2)]);
}

#[test]
fn submodules_through_their_parent() {
    assert_eq!(
        warnings("import app\ndef f(): return app.core.x\n"),
        [("submodule-through-parent", 2)]
    );
    assert_eq!(warnings("import app.core\ndef f(): return app.core.x\n"), []);
    assert_eq!(
        warnings("import app.core\ndef f(): return app.core.model.x\n"),
        [("submodule-through-parent", 2)]
    );
    assert_eq!(
        warnings("import xml\ndef f(): return xml.dom.minidom.parse\n"),
        [("submodule-through-parent", 2), ("submodule-through-parent", 2)]
    );
    assert_eq!(warnings("import os\ndef f(): return os.path.join\n"), []);
    assert_eq!(
        warnings("import app\nfrom app.core import model\ndef f(): return app.core, model\n"),
        []
    );
}

#[test]
fn registries_of_classes() {
    assert_eq!(
        warnings("class A:\n    def __init_subclass__(cls): ...\n"),
        [("class-registry", 2)]
    );
    assert_eq!(warnings("def f(): return A.__subclasses__()\n"), [("class-registry", 1)]);
}

#[test]
fn questions_about_loaded_modules() {
    assert_eq!(
        warnings("import sys\ndef f(): return 'x' in sys.modules\n"),
        [("loaded-modules", 2)]
    );
    assert_eq!(warnings("import sys\ndef f(): return sys.modules['x']\n"), [("loaded-modules", 2)]);
    assert_eq!(
        warnings("import sys\ndef f(): return sys.modules.get('x')\n"),
        [("loaded-modules", 2)]
    );
    assert_eq!(
        warnings("from sys import modules\ndef f(): return modules['x']\n"),
        [("loaded-modules", 2)]
    );
}

#[test]
fn lookups_in_dictionaries_of_modules() {
    assert_eq!(
        warnings("import a\ndef f(): return a, globals()['a']\n"),
        [("namespace-lookup", 2)]
    );
    assert_eq!(warnings("import a\ndef f(): return vars(a)['b']\n"), [("namespace-lookup", 2)]);
    assert_eq!(warnings("import a\ndef f(): return a.__dict__\n"), [("namespace-lookup", 2)]);
    assert_eq!(warnings("class A: pass\ndef f(): return A.__dict__\n"), []);
}

#[test]
fn annotations_that_are_evaluated() {
    let source = "import a, b, c\ndef f(x: a.A, *, y: b.B = 1) -> c.C: ...\n";
    assert_eq!(found(source), [("annotation", 2); 3]);
    assert_eq!(found("import a\nx: a.A = 1\n"), [("annotation", 2)]);
    assert_eq!(found("import a\nclass C:\n    x: a.A\n"), [("annotation", 3)]);
    assert_eq!(found("import a\ndef f(x: 'a.A'): ...\n"), []);
    assert_eq!(found(&format!("from __future__ import annotations\n{source}")), []);
    let later = Context { eager_annotations: false, ..context() };
    assert_eq!(lint(source.as_bytes(), &later).unwrap(), []);
}

#[test]
fn aliases_and_type_variables() {
    assert_eq!(found("import a\nA = a.A\n"), [("alias", 2)]);
    assert_eq!(found("import a\nA = a.A | None\n"), [("alias", 2)]);
    let source = "from typing import TypeVar\nimport a\nT = TypeVar('T', bound=a.A)\n";
    assert_eq!(found(source), [("type-variable", 3)]);
    assert_eq!(found("from typing import TypeVar\nimport a\nT = TypeVar('T', bound='a.A')\n"), []);
}

#[test]
fn other_uses_at_import() {
    assert_eq!(found("import a\nclass C(a.A): ...\n"), [("base-class", 2)]);
    assert_eq!(found("import a\n@a.b\ndef f(): ...\n"), [("decorator", 2)]);
    assert_eq!(found("import a\ndef f(x=a.b): ...\n"), [("default", 2)]);
    assert_eq!(found("import a\nx = a.f()\n"), [("used-at-import", 2)]);
    assert_eq!(found("import a\nx = lambda: a.f()\n"), []);
    assert_eq!(found("import a\nfor x in a.b: pass\n"), [("used-at-import", 2)]);
}

#[test]
fn only_the_first_load_of_a_name_is_told() {
    assert_eq!(found("import a\nx = a.f()\ny = a.g()\nz = a\n"), [("used-at-import", 2)]);
}

#[test]
fn imports_that_are_eager_by_definition() {
    assert_eq!(found("from a import *\n"), [("eager-import", 1)]);
    assert_eq!(
        found("try:\n    import a\nexcept ImportError:\n    a = None\n"),
        [("eager-import", 2)]
    );
}

#[test]
fn a_comment_allows_a_finding() {
    assert_eq!(warnings("import json\njson.dumps = f  # glowplug: allow(monkey-patch)\n"), []);
    assert_eq!(
        warnings("import json\njson.dumps = f  # glowplug: allow(alias, monkey-patch)\n"),
        []
    );
    assert_eq!(
        warnings("import json\njson.dumps = f  # glowplug: allow(alias)\n"),
        [("monkey-patch", 2)]
    );
}

#[test]
fn places_are_in_lines_and_characters() {
    let findings = lint("import a\nx = 'ü', a.b()\n".as_bytes(), &context()).unwrap();
    assert_eq!((findings[0].line, findings[0].column), (2, 10));
}

#[test]
fn what_is_no_python_is_said() {
    assert_eq!(lint(b"def", &context()), Err(Unchecked::Syntax));
    assert_eq!(lint(b"x = '\xe9'\n", &context()), Err(Unchecked::Encoding));
}

#[test]
fn reports_in_three_forms() {
    let source = "import json\njson.dumps = f\n";
    let findings = lint(source.as_bytes(), &context()).unwrap();
    let path = std::path::Path::new("a.py");
    let shown = text(path, source, &findings, false);
    assert!(shown.contains("--> a.py:2:1") && shown.contains("monkey-patch"), "{shown}");
    assert!(shown.starts_with("warning: ") && shown.contains("help: keep"), "{shown}");
    let machine = json([(path, findings.as_slice())]);
    assert_eq!(machine["findings"][0]["line"], 2);
    let sarif = sarif([(path, findings.as_slice())]);
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "monkey-patch");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][index]["id"], "monkey-patch");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
}

#[test]
fn every_rule_is_found_by_its_name() {
    for rule in Rule::ALL {
        assert_eq!(Rule::from_id(rule.id()), Some(rule));
    }
}

#[test]
fn effects_name_what_has_them() {
    let source = b"import codecs\nfrom a import Base\ncodecs.register(f)\nclass C(Base): ...\n";
    let seen = effects(source);
    let seen: Vec<_> = seen.iter().map(|e| (e.kind, e.line, e.what.as_str(), e.certain)).collect();
    assert_eq!(
        seen,
        [
            (EffectKind::Codec, 3, "codecs.register", true),
            (EffectKind::Class, 4, "class C(a.Base)", false)
        ]
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_check_fail(text in "[a-z .=\\n:()\\[\\]'#@]{0,200}") {
        let _ = lint(text.as_bytes(), &context());
        let _ = effects(text.as_bytes());
    }
}
