//! Measures `inputs::check` over the modules that a real interpreter loads.
//!
//! ```text
//! cargo run --release -p glowplug --example check_inputs -- .venv/bin/python pandas sklearn.linear_model
//! taskset -c 0 cargo run --release -p glowplug --example check_inputs -- …    # one thread
//! cargo run --release -p glowplug --example check_inputs -- --image FILE RESULT.json
//! ```
//!
//! Prints wall and CPU time of repeated checks in one process, and of the only check in a fresh process, as a start has it. The last
//! form takes an image that `glowplug freeze -o FILE` made, and keeps every sample of the latter.

use glowplug::inputs::{Caches, Observed, Op, Tables, build, check};
use glowplug::meta::Meta;
use glowplug_image::{Head, Section, inputs};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use zerocopy::IntoBytes;

/// Prints one line for each thing that imports touch: a letter, a tab, a path; behind `F` also the stems that were looked up.
const PROGRAM: &str = r#"
import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
stems = {}
for name, module in list(sys.modules.items()):
    parent, _, tail = name.rpartition(".")
    path = sys.path if not parent else getattr(sys.modules.get(parent), "__path__", [])
    for folder in list(path):
        stems.setdefault(folder, set()).add(tail)
    file = getattr(module, "__file__", None)
    if file:
        print("O", file, sep="\t")
        if os.path.basename(file) == "__init__.py":
            for suffix in importlib.machinery.EXTENSION_SUFFIXES:
                print("N", os.path.join(os.path.dirname(file), "__init__" + suffix), sep="\t")
for folder in sys.path_importer_cache:
    if os.path.isdir(folder):
        print("F", os.path.abspath(folder), *stems.get(folder, ()), sep="\t")
    else:
        print("N", folder, sep="\t")
for line in open("/proc/self/maps"):
    fields = line.split(None, 5)
    if len(fields) == 6 and fields[5].startswith("/"):
        print("M", fields[5].strip(), sep="\t")
"#;

const REPEATS: usize = 300;
const FRESH: usize = 60;
const KEPT: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [flag, image] if flag == "--once" => once(Path::new(image)),
        [flag, image, result] if flag == "--image" => keep(image, Path::new(result)),
        [python, modules @ ..] if !modules.is_empty() => measure(python, modules),
        _ => Err("usage: check_inputs PYTHON MODULE...".into()),
    }
}

fn measure(python: &str, modules: &[String]) -> Result<(), Box<dyn Error>> {
    let tables = build(&observe(python, modules)?, SystemTime::now() + Duration::from_secs(60))?;
    let image = tables.alone();
    describe(&tables, &image);
    let mut samples = Vec::new();
    for _ in 0..REPEATS {
        let head = Head::parse(image.as_bytes(), size_of_val(image.as_slice()) as u64)?;
        samples.push(timed(head, image.as_bytes())?);
    }
    report("repeated", &mut samples);

    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), image.as_bytes())?;
    report("in a fresh process", &mut in_fresh_processes(file.path(), FRESH)?);
    Ok(())
}

/// Measures the check of an image's inputs in fresh processes, and writes down what was measured, and how.
fn keep(image: &str, result: &Path) -> Result<(), Box<dyn Error>> {
    let (len, words) = tables_of(Path::new(image))?;
    let head = Head::parse(words.as_bytes(), len)?;
    let meta = Meta::of(head.table::<u8>(Section::Meta, words.as_bytes()));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut samples = in_fresh_processes(Path::new(image), KEPT)?;
    let count = |section: Section, len: usize| head.section(section).len / len as u64;
    let uname = rustix::system::uname();
    let kept = serde_json::json!({
        "what": "comparing all inputs of an image, the only check of a fresh process",
        "command": ["check_inputs", "--image"],
        "image": name(Path::new(image)),
        "image_of": meta.target,
        "python_version": meta.python_version,
        "cpus_usable": std::thread::available_parallelism()?.get(),
        "kernel": uname.release().to_string_lossy(),
        "files": count(Section::Files, size_of::<inputs::File>()),
        "directories": count(Section::Directories, size_of::<inputs::Directory>()),
        "absent": count(Section::Absences, size_of::<inputs::Absent>()),
        "wall_us": samples.iter().map(|sample| sample.0.round()).collect::<Vec<_>>(),
        "cpu_us": samples.iter().map(|sample| sample.1.round()).collect::<Vec<_>>(),
    });
    std::fs::write(result, serde_json::to_string_pretty(&kept)? + "\n")?;
    report("in a fresh process", &mut samples);
    Ok(())
}

/// Wall and CPU time of the only check of each of some processes, microseconds.
fn in_fresh_processes(image: &Path, processes: usize) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let mut samples = Vec::new();
    for _ in 0..processes {
        let out = Command::new(std::env::current_exe()?).arg("--once").arg(image).output()?;
        let text = String::from_utf8(out.stdout)?;
        let (wall, cpu) = text.trim().split_once(' ').ok_or_else(|| {
            format!("the fresh process failed: {}", String::from_utf8_lossy(&out.stderr))
        })?;
        samples.push((wall.parse()?, cpu.parse()?));
    }
    Ok(samples)
}

fn once(image: &Path) -> Result<(), Box<dyn Error>> {
    let (len, words) = tables_of(image)?;
    let (wall, cpu) = timed(Head::parse(words.as_bytes(), len)?, words.as_bytes())?;
    println!("{wall} {cpu}");
    Ok(())
}

/// The length of an image in bytes, and all of the file but the page contents: in words, because the tables must be aligned.
fn tables_of(image: &Path) -> Result<(u64, Vec<u64>), Box<dyn Error>> {
    let file = File::open(image)?;
    let mut first = vec![0u64; glowplug_image::HEAD_LEN / 8];
    file.read_exact_at(first.as_mut_bytes(), 0)?;
    let len = file.metadata()?.len();
    let head = Head::parse(first.as_bytes(), len)?;
    let tables = head.pages_offset.max(glowplug_image::HEAD_LEN as u64).min(len);
    let mut words = vec![0u64; usize::try_from(tables)? / 8];
    file.read_exact_at(words.as_mut_bytes(), 0)?;
    Ok((len, words))
}

/// Wall and CPU time of one check, microseconds.
fn timed(head: &Head, bytes: &[u8]) -> Result<(f64, f64), Box<dyn Error>> {
    let (cpu, wall) = (cpu_time(), Instant::now());
    check(head, bytes, Caches::Warm)?;
    Ok((wall.elapsed().as_secs_f64() * 1e6, (cpu_time() - cpu) * 1e6))
}

fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn observe(python: &str, modules: &[String]) -> Result<Observed, Box<dyn Error>> {
    let out = Command::new(python).arg("-c").arg(PROGRAM).args(modules).output()?;
    let mut observed = Observed::default();
    for line in String::from_utf8(out.stdout)?.lines() {
        let mut fields = line.split('\t');
        let (Some(op), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = PathBuf::from(path);
        match op {
            "M" if path.is_file() => observed.mapped.push(path),
            "O" if path.is_file() => observed.record.note(path, Op::Read),
            "N" if path.is_absolute() => observed.record.note(path, Op::Missing),
            "F" => {
                observed.record.note(path.clone(), Op::FinderList);
                let stems: BTreeSet<String> = fields.map(str::to_owned).collect();
                observed.lookups.insert(path, stems);
            }
            _ => {}
        }
    }
    Ok(observed)
}

fn describe(tables: &Tables, image: &[u64]) {
    println!(
        "{} directories, {} files, {} absences, {} bytes of tables",
        tables.directories.len(),
        tables.files.len(),
        tables.absences.len(),
        size_of_val(image),
    );
}

fn report(what: &str, samples: &mut [(f64, f64)]) {
    let mut median = |part: fn(&(f64, f64)) -> f64| {
        samples.sort_by(|a, b| part(a).total_cmp(&part(b)));
        (part(&samples[samples.len() / 2]), part(&samples[0]))
    };
    let (wall, cpu) = (median(|sample| sample.0), median(|sample| sample.1));
    println!(
        "{what}, n={}: wall median {:.0} µs (least {:.0}), CPU median {:.0} µs (least {:.0})",
        samples.len(),
        wall.0,
        wall.1,
        cpu.0,
        cpu.1
    );
}
