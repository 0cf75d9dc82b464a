use super::*;
use crate::settings::Environment;
use proptest::prelude::*;
use std::ffi::CString;

fn parsed<'a>(arguments: &[&'a CStr]) -> CommandLine<'a> {
    parse(arguments).expect("Glowplug's own options are right")
}

fn script(path: &str) -> Target<'_> {
    Target::Script(Path::new(path))
}

fn module(name: &str) -> Target<'_> {
    Target::Module(OsStr::new(name))
}

#[test]
fn targets_are_found_where_python_finds_them() {
    let cases: [(&[&CStr], Target<'_>, usize, usize); 20] = [
        (&[c"a.py", c"-B"], script("a.py"), 1, 0),
        (&[c"-B", c"a.py", c"x"], script("a.py"), 2, 0),
        (&[c"-W", c"ignore", c"a.py"], script("a.py"), 3, 0),
        (&[c"-Wignore", c"a.py"], script("a.py"), 2, 0),
        (&[c"-bbEs", c"-X", c"utf8", c"a.py"], script("a.py"), 4, 0),
        (&[c"-BX", c"utf8", c"a.py"], script("a.py"), 3, 0),
        (&[c"-W", c"-c", c"a.py"], script("a.py"), 3, 0),
        (&[c"--", c"-m"], script("-m"), 2, 0),
        (&[c"--check-hash-based-pycs", c"never", c"a.py"], script("a.py"), 3, 0),
        (&[c"-m", c"mod", c"-B"], module("mod"), 2, 0),
        (&[c"-Bm", c"mod"], module("mod"), 2, 0),
        (&[c"-mmod", c"x"], module("mod"), 1, 2),
        (&[c"-Bmmod"], module("mod"), 1, 3),
        (&[c"-c", c"pass", c"x"], Target::Command(b"pass"), 2, 0),
        (&[c"-Sc", c"pass"], Target::Command(b"pass"), 2, 0),
        (&[c"-cpass"], Target::Command(b"pass"), 1, 2),
        (&[c"-c", c""], Target::Command(b""), 2, 0),
        (&[c"-", c"x"], Target::Stdin, 1, 0),
        (&[c"-u"], Target::Interactive, 2, 0),
        (&[c"-B", c"--"], Target::Interactive, 3, 0),
    ];
    for (arguments, target, index, offset) in cases {
        let command = parsed(arguments);
        assert_eq!(command.target, target, "{arguments:?}");
        assert_eq!(command.target_index, index, "{arguments:?}");
        assert_eq!(command.target_offset, offset, "{arguments:?}");
        assert_eq!(command.python_argv, arguments);
    }
}

#[test]
fn what_python_answers_or_complains_about_is_left_to_it() {
    let cases: [&[&CStr]; 14] = [
        &[c"-V"],
        &[c"-VV", c"a.py"],
        &[c"-Bh", c"a.py"],
        &[c"-?"],
        &[c"--help"],
        &[c"--version"],
        &[c"--help-all"],
        &[c"--unknown", c"a.py"],
        &[c"-z", c"a.py"],
        &[c"-J"],
        &[c"-W"],
        &[c"-m"],
        &[c"--check-hash-based-pycs", c"sometimes", c"a.py"],
        &[c"-B-", c"a.py"],
    ];
    for arguments in cases {
        let command = parsed(arguments);
        assert_eq!(command.target, Target::Answer, "{arguments:?}");
        assert_eq!(command.python_argv, arguments);
        assert_eq!(command.target_index, arguments.len() + 1);
    }
}

#[test]
fn own_options_are_taken_out_wherever_options_may_stand() {
    let command = parsed(&[
        c"-B",
        c"--python",
        c"/p",
        c"-W",
        c"--explain",
        c"--via=thaw",
        c"--preload",
        c"a,-b.c",
        c"--preload=d",
        c"--explain",
        c"-m",
        c"mod",
        c"--explain",
        c"--via",
    ]);
    assert_eq!(command.options.python, Some(OsStr::new("/p")));
    assert_eq!(command.options.via, Some(Via::Thaw));
    assert!(command.options.explain);
    assert_eq!(command.options.preload, ["a", "-b.c", "d"]);
    let rest = [c"-B", c"-W", c"--explain", c"-m", c"mod", c"--explain", c"--via"];
    assert_eq!(command.python_argv, rest);
    assert_eq!(command.python_options, [c"-B", c"-W", c"--explain"]);
    assert_eq!(command.target_index, 5);
}

#[test]
fn an_image_is_shared_by_the_programs_of_a_named_set() {
    let set = |arguments: &[&CStr]| parsed(arguments).options.shared_set().map(str::to_owned);
    assert_eq!(set(&[c"--set", c"data", c"--shared", c"a.py"]).as_deref(), Some("data"));
    assert_eq!(set(&[c"--shared", c"a.py"]), None);
    assert_eq!(set(&[c"--set", c"data", c"a.py"]), None);
    assert_eq!(parse(&[c"--shared=1"]), Err(UsageError::UnexpectedArgument("--shared")));
}

#[test]
fn behind_the_target_nothing_is_taken() {
    for arguments in [
        &[c"a.py", c"--explain"][..],
        &[c"-c", c"pass", c"--via", c"nonsense"],
        &[c"-", c"--python=x"],
        &[c"--", c"--explain"],
    ] {
        let command = parsed(arguments);
        assert_eq!(command.options, RunOptions::default(), "{arguments:?}");
        assert_eq!(command.python_argv, arguments);
    }
}

#[test]
fn wrong_own_options_are_named() {
    let error = |arguments: &[&CStr]| parse(arguments).expect_err("wrong").to_string();
    assert!(error(&[c"--via", c"ferry", c"a.py"]).contains("`ferry`"));
    assert!(error(&[c"--python"]).contains("`--python` needs an argument"));
    assert!(error(&[c"--explain=yes", c"a.py"]).contains("no argument"));
    assert!(error(&[c"--preload", c"a,b c", c"a.py"]).contains("`b c`"));
}

fn obstacle(arguments: &[&CStr], variables: &[&str]) -> Option<String> {
    let environment =
        Environment::from_strings(variables.iter().map(|v| CString::new(*v).expect("no NUL")));
    parsed(arguments).thaw_obstacle(&environment, || true).map(|obstacle| obstacle.to_string())
}

#[test]
fn obstacles_are_found_and_named() {
    for (arguments, part) in [
        (&[c"-i", c"a.py"][..], "`-i`"),
        (&[c"-Bv", c"a.py"], "`-v`"),
        (&[c"-x", c"a.py"], "`-x`"),
        (&[c"-d", c"a.py"], "`-d`"),
        (&[c"-X", c"importtime", c"a.py"], "`-X importtime`"),
        (&[c"-Xtracemalloc=5", c"-m", c"a"], "`-X tracemalloc=5`"),
        (&[c"-X", c"dev", c"a.py"], "`-X dev`"),
        (&[c"-S", c"a.py"], "`-S`"),
        (&[c"-mjson.tool"], "glued"),
        (&[c"-Bcpass"], "glued"),
        (&[c"-V"], "answers"),
        (&[], "no program"),
        (&[c"-"], "typed"),
    ] {
        let reason = obstacle(arguments, &[]).unwrap_or_default();
        assert!(reason.contains(part), "{arguments:?}: {reason}");
    }
    for harmless in [
        &[c"a.py"][..],
        &[c"-bbEsuOOPqR", c"-W", c"error", c"a.py"],
        &[c"-X", c"utf8=1", c"-X", c"frozen_modules=off", c"-Xfaulthandler", c"a.py"],
        &[c"-c", c"pass", c"-i"],
    ] {
        assert_eq!(obstacle(harmless, &[]), None, "{harmless:?}");
    }
}

#[test]
fn variables_are_obstacles_unless_python_ignores_them() {
    for variable in ["PYTHONINSPECT=1", "PYTHONVERBOSE=x", "PYTHONMALLOC=debug", "PYTHONDEVMODE=1"]
    {
        let name = variable.split('=').next().expect("name");
        assert!(obstacle(&[c"a.py"], &[variable]).is_some_and(|reason| reason.contains(name)));
        assert_eq!(obstacle(&[c"-E", c"a.py"], &[variable]), None);
        assert_eq!(obstacle(&[c"-I", c"a.py"], &[variable]), None);
    }
    for harmless in ["PYTHONINSPECT=", "PYTHONVERBOSE=0", "PYTHONSTARTUP=x", "PYTHONHASHSEED=0"] {
        assert_eq!(obstacle(&[c"a.py"], &[harmless]), None, "{harmless}");
    }
}

/// Words that matter to the parser, and others.
fn word() -> impl Strategy<Value = CString> {
    let known = prop::sample::select(vec![
        "-B",
        "-W",
        "-X",
        "-m",
        "-c",
        "--",
        "-",
        "-bW",
        "-V",
        "--help",
        "--python",
        "--via=auto",
        "--explain",
        "--preload",
        "a.py",
        "--check-hash-based-pycs",
        "never",
        "",
    ]);
    prop_oneof![
        known.prop_map(|word| CString::new(word).expect("no NUL")),
        "[-a-zA-Z=:]{0,6}".prop_map(|word| CString::new(word).expect("no NUL")),
        prop::collection::vec(1u8..=255, 0..5).prop_map(|w| CString::new(w).expect("no NUL")),
    ]
}

proptest! {
    #[test]
    fn any_command_line_is_read_consistently(words in prop::collection::vec(word(), 0..8)) {
        let arguments: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
        let Ok(command) = parse(&arguments) else { return Ok(()) };
        // Nothing is invented or reordered.
        let mut rest = arguments.iter();
        prop_assert!(command.python_argv.iter().all(|word| rest.any(|other| other == word)));
        // Read again, it means the same.
        let again = parse(&command.python_argv).expect("own options are gone");
        prop_assert_eq!(&again.options, &RunOptions::default());
        prop_assert_eq!(&again.target, &command.target);
        prop_assert_eq!(again.target_index, command.target_index);
        prop_assert_eq!(&again.python_argv, &command.python_argv);
        // The target is where it is said to be.
        let at = command.python_argv.get(command.target_index.wrapping_sub(1)).map(|a| a.to_bytes());
        let named = match command.target {
            Target::Script(path) => Some(path.as_os_str().as_bytes()),
            Target::Module(name) => Some(name.as_bytes()),
            Target::Command(code) => Some(code),
            Target::Stdin => Some(&b"-"[..]),
            Target::Interactive | Target::Answer => None,
        };
        prop_assert_eq!(at.map(|at| &at[command.target_offset..]), named);
    }
}
