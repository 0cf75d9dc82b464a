use super::leading;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

/// The imports as text, `?` behind those that are optional; and why they ended.
fn summary(source: &str) -> String {
    let leading = leading(source.as_bytes());
    let mut text = String::new();
    for import in &leading.statements {
        let dots = ".".repeat(import.level as usize);
        let optional = if import.optional { "?" } else { "" };
        write!(text, "{dots}{}{optional}", import.module).unwrap();
        if !import.names.is_empty() {
            write!(text, "({})", import.names.join(",")).unwrap();
        }
        text.push(' ');
    }
    match leading.stopped_at {
        Some((line, why)) => write!(text, "| {line}: {why}").unwrap(),
        None => text.push('|'),
    }
    text
}

fn prefix(source: &str) -> &str {
    let len = usize::try_from(leading(source.as_bytes()).prefix_len).unwrap();
    &source[..len]
}

#[test]
fn imports_of_every_form() {
    assert_eq!(summary("import a, b.c as d\n"), "a b.c |");
    assert_eq!(summary("from a import b, c as d\nfrom e import *\n"), "a(b,c) e(*) |");
    assert_eq!(summary("from . import x\nfrom ..y import z\n"), ".(x) ..y(z) |");
    assert_eq!(summary("from __future__ import annotations\nimport a"), "a |");
    assert_eq!(summary("\u{feff}import a"), "a |");
    assert_eq!(summary(""), "|");
}

#[test]
fn what_has_no_effect_does_not_end_them() {
    for idle in [
        "'''docstring'''",
        "pass; ...",
        "X = 1; Y = Z = (1, -2.5, 'a', b'b', None, True)",
        "__all__ = ['a', 'b']\n__version__ = '1.0'",
        "DAY = 24 * 60 * 60",
        "D = {'a': [1], ('b', 1): {2, 3}}",
        "x: int = 3\ny: 'list[int]'\nz: typing.Optional[int]",
        "def f(a, b=1, *c, d: int = 2, **e) -> None:\n    launch()",
        "async def f(): await x",
        "class A: pass",
        "class A(Exception):\n    '''doc'''\n    x: int = 1\n    Y = 2\n    def f(self): launch()",
        "type X = list[int]",
        "if TYPE_CHECKING:\n    import never\n    launch()",
        "if typing.TYPE_CHECKING:\n    launch()",
    ] {
        assert_eq!(summary(&format!("{idle}\nimport a")), "a |", "{idle}");
    }
}

#[test]
fn what_may_have_an_effect_ends_them() {
    for effect in [
        "launch()",
        "X = launch()",
        "X = os.environ",
        "X = y",
        "os.environ['A'] = 'b'",
        "sys.path = []",
        "__package__ = 'p'",
        "a, __name__ = 1, 2",
        "X += 1",
        "f'{launch()}'",
        "X = [1 for _ in y]",
        "X = 1 / 0",
        "X = {[]: 1}",
        "X = {**y}",
        "x: launch() = 1",
        "@decorated\ndef f(): pass",
        "def f(a=launch()): pass",
        "def f(a: launch()): pass",
        "def f() -> launch(): pass",
        "@decorated\nclass A: pass",
        "class A(launch()): pass",
        "class A(metaclass=M): pass",
        "class A:\n    launch()",
        "class A:\n    import b",
        "class A:\n    @property\n    def f(self): pass",
        "for x in y: pass",
        "while x: pass",
        "with x: pass",
        "assert x",
        "raise X",
        "del x",
        "if x: pass",
        "if launch(): pass",
        "if __name__ == '__main__': pass",
        "try:\n    launch()\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    launch()",
        "try:\n    pass\nexcept launch():\n    pass",
        "match x:\n    case 1: pass",
    ] {
        let source = format!("import a\n{effect}\nimport b");
        let found = leading(source.as_bytes());
        assert_eq!(found.statements.len(), 1, "{effect}");
        assert!(found.stopped_at.is_some(), "{effect}");
    }
}

#[test]
fn branches_on_the_platform_are_both_looked_at() {
    for test in [
        "sys.version_info >= (3, 11)",
        "sys.version_info[0] == 3",
        "sys.version_info[:2] < (3, 9)",
        "sys.version_info.major == 3",
        "sys.platform == 'win32'",
        "sys.platform.startswith('win')",
        "not sys.platform in ('win32', 'cygwin')",
        "os.name == 'nt' and sys.maxsize > 2**32 or sys.implementation.name == 'cpython'",
    ] {
        let test = test.replace("2**32", "4294967296");
        let source = format!(
            "if {test}:\n    import a\nelif {test}:\n    import b\nelse:\n    import c\nimport d"
        );
        assert_eq!(summary(&source), "a? b? c? d |", "{test}");
    }
}

#[test]
fn type_checking_has_branches() {
    let source = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\nimport c";
    assert_eq!(summary(source), "b? c |");
    let source = "if not TYPE_CHECKING:\n    import a\nelse:\n    launch()\nimport c";
    assert_eq!(summary(source), "a? c |");
}

#[test]
fn imports_that_are_tried_are_optional() {
    let source = "try:\n    import a\nexcept (ImportError, AttributeError):\n    try:\n        import b\n    except Exception:\n        b = None\nelse:\n    HAS = True\nfinally:\n    pass\nimport c";
    assert_eq!(summary(source), "a? b? c |");
}

#[test]
fn a_handler_that_does_something_ends_them_behind_the_tried_import() {
    let source = "try:\n    import a\nexcept ImportError:\n    sys.exit(1)\nimport c";
    assert_eq!(summary(source), "a? | 4: an expression");
}

#[test]
fn the_prefix_ends_with_the_last_leading_import() {
    assert_eq!(
        prefix("import a\n\nX = 1\nimport b; c()\n# more\nd()\n"),
        "import a\n\nX = 1\nimport b; c()\n"
    );
    assert_eq!(prefix("import (\n"), "import (\n");
    assert_eq!(
        prefix("#!/usr/bin/python\n# coding: utf-8\nprint(1)\n"),
        "#!/usr/bin/python\n# coding: utf-8\n"
    );
    assert_eq!(
        prefix("from a import (\n  b,\n)  # why\nprint(1)"),
        "from a import (\n  b,\n)  # why\n"
    );
    assert_eq!(prefix("import a\r\nx()\r\ny()\r\n"), "import a\r\nx()\r\n");
    assert_eq!(prefix("import a"), "import a");
    assert_eq!(
        prefix("try:\n    import a\nexcept ImportError:\n    exit()\nb()\n"),
        "try:\n    import a\n"
    );
}

#[test]
fn a_source_that_does_not_parse_counts_as_a_whole() {
    let source = "import a\nprint 'old'\n";
    assert_eq!(prefix(source), source);
    assert_eq!(summary(source), "| 1: the source cannot be parsed");
    assert_eq!(leading(b"\xff\xfe").prefix_len, 2);
}

#[test]
fn deep_nesting_is_survived() {
    for source in [
        format!("X = {}1", "-".repeat(20_000)),
        format!("X = {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("X = {}1{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("if sys.platform {} 'x': pass", "== 'a' ".repeat(20_000)),
        format!("x: a{} = 1", ".b".repeat(20_000)),
    ] {
        assert_eq!(leading(source.as_bytes()).statements, []);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(source in proptest::collection::vec(any::<u8>(), 0..400)) {
        let found = leading(&source);
        prop_assert!(found.prefix_len <= source.len() as u64);
    }

    #[test]
    fn any_mix_of_python_words_is_survived(words in proptest::collection::vec(
        prop::sample::select(vec![
            "import", "from", "a", ".", ",", "\n", "\n    ", "if", "sys.platform", "==", "'x'", ":", "try", "except",
            "ImportError", "else", "class", "def", "(", ")", "pass", ";", "=", "1", "#", "\"\"\"", "\\\n", "é", "[", "]",
            "TYPE_CHECKING", "not", "*", "as", "\r", "lazy", "type", "@",
        ]), 0..60)
    ) {
        let source = words.join(" ");
        let found = leading(source.as_bytes());
        prop_assert!(found.prefix_len <= source.len() as u64);
        prop_assert!(source.is_char_boundary(usize::try_from(found.prefix_len).unwrap()));
    }

    #[test]
    fn what_follows_the_prefix_does_not_change_it(tail in "[a-z ()=\n]{0,60}") {
        let head = "'''doc'''\nimport a\nfrom b import c\n";
        let source = format!("{head}launch()\n{tail}");
        let found = leading(source.as_bytes());
        if found.stopped_at.is_some_and(|(line, _)| line == 4) {
            prop_assert_eq!(found.prefix_len, head.len() as u64);
            prop_assert_eq!(found.statements.len(), 2);
        }
    }
}

/// Every source of a Python installation, where there is one on this machine.
#[test]
fn real_sources_are_read() {
    let roots =
        ["/usr/lib/python3", "/usr/lib/python3.11", "/usr/lib/python3.12", "/usr/lib/python3.13"];
    let (mut files, mut imports) = (0, 0);
    let mut folders: Vec<_> = roots.iter().map(|root| Path::new(root).to_path_buf()).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                let Ok(source) = std::fs::read(&path) else { continue };
                let found = leading(&source);
                assert!(found.prefix_len <= source.len() as u64, "{}", path.display());
                files += 1;
                imports += found.statements.len();
            }
        }
    }
    assert!(files == 0 || imports > 0, "{files} files without a leading import");
}
