//! `glowplug lazy lint`: warns of patterns that defeat or break lazy imports.

use crate::lazy::lint::{self, Context, Finding, Rule, Severity, SourceFile};
use crate::settings::Environment;
use crate::source;
use crate::{exit, explain};
use clap::ValueEnum;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Stack for the check of deeply nested sources, bytes. Only what is used of it costs memory.
const STACK: usize = 1 << 30;

/// Warns of patterns that defeat or break lazy imports.
#[derive(Debug, clap::Args)]
pub struct Lint {
    /// Files and folders [default: the working directory]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only these rules
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule)]
    select: Vec<Rule>,
    /// All but these rules
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule)]
    ignore: Vec<Rule>,
    /// Leave out notes: what merely defeats laziness
    #[arg(long)]
    warnings_only: bool,
    /// The oldest Python that the sources are for; from 3.14 on, annotations load nothing
    #[arg(long, value_name = "3.N", default_value = "3.9", value_parser = minor)]
    python_version: u8,
}

/// How findings are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the source
    Text,
    /// For programs
    Json,
    /// For code hosts: SARIF 2.1.0
    Sarif,
}

fn rule(name: &str) -> Result<Rule, String> {
    Rule::from_id(name).ok_or_else(|| {
        let all = Rule::ALL.map(Rule::id).join(", ");
        format!("there is no such rule; the rules are {all}")
    })
}

fn minor(version: &str) -> Result<u8, String> {
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse().ok());
    minor.ok_or_else(|| "write a version like 3.11".to_owned())
}

/// Runs the command and returns the exit status: 1 where there are warnings.
pub fn run(options: &Lint, environment: &Environment) -> u8 {
    let files = match files(&options.paths) {
        Ok(files) => files,
        Err(error) => {
            explain::error(format_args!(
                "{error}\nhelp: name files or folders with Python sources"
            ));
            return exit::USAGE;
        }
    };
    let checked = std::thread::scope(|scope| {
        let check = || check(options, files);
        std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, check).map(|t| t.join())
    });
    let Ok(Ok(checked)) = checked else {
        explain::error("the check cannot be run: there is not enough memory");
        return exit::USAGE;
    };
    let text = report(options.format, &checked, environment);
    // A reader that has gone away, as `head` does, is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let warned = checked.iter().flat_map(|file| &file.findings);
    let warned = warned.clone().any(|finding| finding.rule.severity() == Severity::Warning);
    if warned { exit::FOUND } else { 0 }
}

fn files(paths: &[PathBuf]) -> Result<Vec<SourceFile>, ignore::Error> {
    if paths.is_empty() { lint::python_files(&[".".into()]) } else { lint::python_files(paths) }
}

struct Checked {
    path: PathBuf,
    source: String,
    findings: Vec<Finding>,
}

fn check(options: &Lint, files: Vec<SourceFile>) -> Vec<Checked> {
    let modules = files.iter().filter_map(|file| file.module.clone()).collect();
    let mut context =
        Context { is_package: false, modules, eager_annotations: options.python_version < 14 };
    let mut checked = Vec::new();
    for file in files {
        context.is_package = file.is_package;
        match check_one(&file.path, &context, options) {
            Ok(one) => checked.push(one),
            Err(error) => {
                explain::warning(format_args!("{} is not checked: {error}", file.path.display()))
            }
        }
    }
    checked
}

fn check_one(path: &Path, context: &Context, options: &Lint) -> anyhow::Result<Checked> {
    let bytes = std::fs::read(path)?;
    let mut findings = lint::lint(&bytes, context)?;
    findings.retain(|finding| is_wanted(finding.rule, options));
    let source = source::text(&bytes).unwrap_or_default().into_owned();
    Ok(Checked { path: path.to_owned(), source, findings })
}

fn is_wanted(rule: Rule, options: &Lint) -> bool {
    (options.select.is_empty() || options.select.contains(&rule))
        && !options.ignore.contains(&rule)
        && !(options.warnings_only && rule.severity() == Severity::Note)
}

fn report(format: Format, checked: &[Checked], environment: &Environment) -> String {
    let all = checked.iter().map(|file| (file.path.as_path(), file.findings.as_slice()));
    match format {
        Format::Text => {
            let colour =
                std::io::stdout().is_terminal() && environment.non_empty("NO_COLOR").is_none();
            let each = checked
                .iter()
                .map(|file| lint::text(&file.path, &file.source, &file.findings, colour));
            each.collect::<String>() + &summary(checked)
        }
        Format::Json => format!("{:#}\n", lint::json(all)),
        Format::Sarif => format!("{:#}\n", lint::sarif(all)),
    }
}

fn summary(checked: &[Checked]) -> String {
    let count = |severity| {
        let findings = checked.iter().flat_map(|file| &file.findings);
        findings.filter(|finding| finding.rule.severity() == severity).count()
    };
    let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
    let files = checked.len();
    format!("{files} files checked: {warnings} warnings, {notes} notes\n")
}
