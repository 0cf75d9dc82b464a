//! What is understood, and what is wrong with the rest.

use super::*;
use glowplug_profile::gate::budget::Figure;

fn parsed(text: &str) -> Result<Option<Config>, BadConfig> {
    parse(Source { path: "pyproject.toml".into(), text: text.to_owned() })
}

fn mistakes(entry: &str) -> String {
    let text = format!("[tool.glowplug.gate.entry.app]\nrun = \"app.py\"\n{entry}\n");
    parsed(&text).expect_err(entry).to_string()
}

#[test]
fn a_whole_configuration_is_read() {
    let config = parsed(
        r#"
[tool.glowplug.gate]
growth = 2
history = "git-notes"
install = ["pip install -r r.txt"]
time = { percent = 3, milliseconds = 2.5 }

[tool.glowplug.gate.entry.cli]
run = "app.py --help"
modules = 120
unmarshalled = "2MiB"
forbid = ["pandas", "numpy.*"]
lazy = "json"
exclusive.pandas = "4x"
exclusive.requests = { modules = 20 }
cpu = { limit = "9x", cpus = 0.1, memory = "128m" }

[tool.glowplug.gate.entry.web]
service = ["-m", "http.server", "8001"]
ready = { port = 8001 }
"#,
    )
    .unwrap()
    .unwrap();
    assert_eq!(config.history, History::Notes);
    assert_eq!((config.time.percent, config.time.milliseconds, config.growth), (3.0, 2.5, 2.0));
    let [cli, web] = &config.entries[..] else { panic!("{:?}", config.entries) };
    assert_eq!(cli.target, Target::Script(vec!["app.py".into(), "--help".into()]));
    assert_eq!(cli.budget.limits[&Figure::Unmarshalled], 2 << 20);
    assert_eq!(cli.budget.exclusive["requests"].modules, Some(20));
    assert_eq!(cli.budget.exclusive["pandas"].cpu.unwrap().0, 4.0);
    let cpu = cli.budget.cpu.as_ref().unwrap();
    assert_eq!((cpu.limit.0, cpu.cpus, cpu.memory), (9.0, Some(0.1), Some(128 << 20)));
    let Target::Service(words, ready) = &web.target else { panic!("{web:?}") };
    assert_eq!((words.len(), &ready.sign), (3, &Sign::Port(8001)));
}

#[test]
fn other_tables_are_no_business_of_the_gate() {
    assert_eq!(parsed("[tool.glowplug]\nvia = \"plain\"\n").unwrap(), None);
    assert!(parsed("x = [").unwrap_err().to_string().contains("no TOML"));
}

#[test]
fn a_mistake_names_file_line_and_key() {
    let error = mistakes("moduless = 5");
    assert!(error.contains("pyproject.toml:3:1"), "{error}");
    assert!(error.contains("3 | moduless = 5"), "{error}");
    assert!(error.contains("unknown key `moduless`"), "{error}");
    assert!(error.contains("did you mean `modules`?"), "{error}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = mistakes("modules = 0\nfiles = -3\nforbid = [\"a b\"]\nlazy = [1]");
    for key in ["`tool.glowplug.gate.entry.app.modules`", "files", "a b", "lazy"] {
        assert!(error.contains(key), "{key}: {error}");
    }
    assert_eq!(error.matches("--> pyproject.toml:").count(), 4, "{error}");
}

#[test]
fn limits_that_cannot_be_are_refused() {
    for (entry, told) in [
        ("modules = 1.5", "a whole number above 0"),
        ("syscalls = \"4k\"", "a whole number above 0"),
        ("peak-memory = \"big\"", "a size above 0"),
        ("cpu = \"250ms\"", "times are compared, never absolute"),
        ("cpu = { limit = \"2x\", cpus = 0 }", "a number of processors"),
        ("cpu = { limit = \"2x\", memory = \"1k\" }", "a size of 4m or more"),
        ("cpu = { cpus = 0.5 }", "has no limit"),
        ("forbid = [\"sys\"]", "is loaded before any program"),
        ("forbid = [\"a\"]\nlazy = [\"a\"]", "both forbidden and required to be lazy"),
        ("exclusive.x = 5", "a multiple of a bare start"),
        ("module = \"app\"", "says twice what to start: run, module"),
        ("env = { A = 1 }", "a text in quotes"),
        ("exit = 300", "an exit status"),
    ] {
        let error = mistakes(entry);
        assert!(error.contains(told), "{entry}: {error}");
    }
}

#[test]
fn an_entry_point_says_what_to_start() {
    let error = |text: &str| parsed(text).expect_err(text).to_string();
    assert!(error("[tool.glowplug.gate]\n").contains("has no entry points"));
    assert!(error("[tool.glowplug.gate.entry]\n").contains("has no entry points"));
    assert!(
        error("[tool.glowplug.gate.entry.a]\nmodules = 1\n").contains("does not say what to start")
    );
    let service = "[tool.glowplug.gate.entry.a]\nservice = \"-m x\"\n";
    assert!(error(service).contains("does not say when the service is ready"));
    let both = format!("{service}ready = {{ port = 80, file = \"x\" }}\n");
    assert!(error(&both).contains("needs one sign"));
    let counted = format!("{service}ready = {{ port = 80 }}\ninstructions = 5\n");
    assert!(error(&counted).contains("the instructions of a service"));
}
