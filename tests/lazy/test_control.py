"""The control surface: `glowplug.lazy`, `__lazy_modules__`, the filter, the settings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cases import MODULES, PRELUDE
from harness.build import glowplug
from lazily import ROOT, LazyPython, backports, chosen, environment, one_of

PROGRAMS = {
    "install_at_the_top": (
        "import glowplug.lazy\nassert glowplug.lazy.install()\nimport m\nassert not L('m')\n"
        "def g(): return m.x\nassert g() == 1 and L('m')\n"
    ),
    "pending_and_resolve": (
        "import glowplug.lazy as lazy\nlazy.install()\nfrom m import x\n"
        "found = lazy.pending(sys.modules['__main__'])\nassert not L('m')\n"
        "assert type(found['x']) is lazy.LazyImportType, found\n"
        "assert 'm' in repr(found['x']) and found['x'].resolve() == 1 and x == 1\n"
    ),
    "cannot_be_made": (
        "import glowplug.lazy as lazy\ntry:\n    lazy.LazyImportType({}, 'm')\n"
        "except TypeError:\n    pass\nelse:\n    raise AssertionError\n"
    ),
    "modes": (
        "import glowplug.lazy as lazy\nlazy.install('normal')\n"
        "assert lazy.get_lazy_imports() == 'normal'\nimport m\nassert L('m')\n"
        "lazy.set_lazy_imports('all')\nassert lazy.get_lazy_imports() == 'all'\n"
        "import n\nassert not L('n')\n"
        "for wrong, error in ((1, TypeError), (None, TypeError), ('on', ValueError)):\n"
        "    try:\n        lazy.set_lazy_imports(wrong)\n    except error:\n        continue\n"
        "    raise AssertionError\n"
    ),
    "filter": (
        "import glowplug.lazy as lazy\nlazy.install()\nasked = []\n"
        "def f(*given):\n    asked.append(given)\n    return given[1] != 'm'\n"
        "lazy.set_lazy_imports_filter(f)\nassert lazy.get_lazy_imports_filter() is f\n"
        "import m\nfrom p import a, b\nlazy.set_lazy_imports_filter(None)\n"
        "assert L('m') and not L('p')\nassert asked[0] == ('__main__', 'm', None), asked\n"
        "assert ('__main__', 'p', ('a', 'b')) in asked, asked\n"
    ),
    "filter_raises": (
        "import glowplug.lazy as lazy\nlazy.install()\ndef f(*given):\n    raise KeyError('mine')\n"
        "lazy.set_lazy_imports_filter(f)\n"
        "def g(): exec('import m', globals())\n"
        "try:\n    g()\nexcept KeyError:\n    pass\nelse:\n    raise AssertionError\n"
    ),
    "marked_modules": (
        "import glowplug.lazy as lazy\nlazy.install('normal')\nimport u\n"
        "assert not L('m') and L('n')\nassert u.g() == 1\n"
    ),
    "marked_relative": (
        "import glowplug.lazy as lazy\nlazy.install('normal')\nimport w.x\n"
        "assert not L('w.y')\nassert w.x.y.v == 1\n"
    ),
    "lazy_modules": (
        "import glowplug.lazy as lazy\nlazy.install()\nimport m\nassert 'm' in lazy.lazy_modules\n"
        "m.x\nassert 'm' not in lazy.lazy_modules\n"
    ),
    "modules_by_name": (
        "import glowplug.lazy as lazy\nlazy.install('normal', modules=['p'])\nimport p.a, m\n"
        "assert not L('p') and L('m')\nassert p.a.v == 'a'\n"
    ),
    "excluded_importer": (
        "import glowplug.lazy as lazy\nlazy.install(exclude=['t'])\nimport t\nt\nassert L('m')\n"
    ),
    "namespace_without_a_name": (
        "import glowplug.lazy as lazy\nlazy.install(exclude=['t'])\nfound = {}\n"
        "exec('import m\\nfrom n import w', found)\nassert found['m'].x == 1\n"
    ),
    "warmed": (
        "import glowplug.lazy as lazy\nlazy.install()\nimport m, n, p.a\n"
        "thread = lazy.warm(['p.a', 'missing', 'm'])\nassert thread.daemon\nthread.join()\n"
        "assert L('p.a') and L('m') and not L('n')\nassert m.x == 1 and p.a.v == 'a'\n"
    ),
    "warmed_by_settings": (
        "import glowplug.lazy as lazy\nlazy.install()\nimport m, n\nlazy.warm().join()\n"
        "assert L('m') and not L('n')\n"
    ),
    "configured": (
        "import glowplug.lazy as lazy\nlazy.install('normal')\nimport m, n\n"
        "assert not L('m') and L('n')\n"
    ),
}

FILES = {
    "u.py": "__lazy_modules__ = ['m']\nimport m, n\ndef g(): return m.x\n",
    "t.py": "import m\n",
    "w/__init__.py": "",
    "w/x.py": "__lazy_modules__ = {'w'}\nfrom . import y\n",
    "w/y.py": "v = 1\n",
}


@pytest.mark.parametrize("python", chosen(), ids=lambda p: p.name)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(python: LazyPython, name: str, tmp_path: Path) -> None:
    files = {**MODULES, **FILES, "main.py": PRELUDE + PROGRAMS[name]}
    if name == "configured":
        if python.minor < (3, 11):
            pytest.skip("reading TOML needs 3.11, or the package tomli")
        files["pyproject.toml"] = '[tool.glowplug.lazy]\nmodules = ["requirements.txt"]\n'
        files["requirements.txt"] = "# of this program\nm==1.0\n"
    if name == "warmed_by_settings":
        if python.minor < (3, 11):
            pytest.skip("reading TOML needs 3.11, or the package tomli")
        files["glowplug.toml"] = '[lazy]\nwarm = "m"\n'
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    run = python.run_eagerly("main.py", cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.parametrize("python", backports(), ids=lambda p: p.name)
def test_opcodes_are_those_of_the_interpreter(python: LazyPython, tmp_path: Path) -> None:
    code = (
        "import glowplug.lazy._load as l, opcode\n"
        "for name, number in l.native().opcodes().items():\n"
        "    assert opcode.opmap.get(name, 256) == number, name\n"
        "named = l.native().opcodes_with_names()\n"
        "known = {opcode.opname[n] for n in opcode.hasname if n < 240}\n"
        "assert not named or set(named) == known - {'LOAD_GLOBAL'}\n"
        "assert all(opcode.opmap[name] == number for name, number in named.items())\n"
    )
    (tmp_path / "main.py").write_text(code)
    run = python.run_eagerly("main.py", cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()


SPECIALISED = """
import dis, m
def f(): return m if False in () else len
for _ in range(100): f()
print([i.opname for i in dis.get_instructions(f, adaptive=True) if "GLOBAL" in i.opname])
import sys, n
def g(): return n
print("m" in sys.modules, n.w, *[g() is n for _ in range(100)][:1])
print([i.opname for i in dis.get_instructions(g, adaptive=True) if "GLOBAL" in i.opname])
def h(): return os.path
import os
for _ in range(100): h()
print([i.opname for i in dis.get_instructions(h, adaptive=True) if "GLOBAL" in i.opname])
"""


@pytest.mark.parametrize("python", one_of((3, 12), (3, 13), (3, 14)), ids=lambda p: p.name)
def test_loads_are_specialised(python: LazyPython, tmp_path: Path) -> None:
    """Of builtins beside a name that is never used, of a name that has been, of an eager one."""
    for file, text in {"main.py": SPECIALISED, "m.py": "", "n.py": "w = 1\n"}.items():
        (tmp_path / file).write_text(text)
    run = python.run("main.py", cwd=tmp_path)
    assert run.stdout.decode().splitlines() == [
        "['LOAD_GLOBAL', 'LOAD_GLOBAL_BUILTIN']",
        "False 1 True",
        "['LOAD_GLOBAL_MODULE']",
        "['LOAD_GLOBAL_MODULE']",
    ], run.stderr.decode()


SUBINTERPRETERS = {
    "main.py": """
import sys
if sys.version_info < (3, 13):
    import _xxsubinterpreters as interpreters
else:
    import _interpreters as interpreters
import late
from u import v
inside = f"import sys; sys.path[:] = {sys.path!r}; import inside"
for _ in range(3):
    created = interpreters.create()
    failed = interpreters.run_string(created, inside)
    assert not failed, failed
    interpreters.destroy(created)
assert "late" not in sys.modules and v == 1 and late.x == 1
""",
    "inside.py": """
import glowplug.lazy as lazy
assert not lazy.install() and not lazy.install()
import sys, late, collections.abc, p.a, json, unittest
assert "late" in sys.modules and "p.a" in sys.modules and "__name__" in dir(late)
""",
    "late.py": "x = 1\n",
    "u.py": "v = 1\n",
    "p/__init__.py": "",
    "p/a.py": "",
}


@pytest.mark.parametrize("python", backports(), ids=lambda p: p.name)
def test_other_interpreters_import_eagerly(python: LazyPython, tmp_path: Path) -> None:
    """Beside one that imports lazily; each says so once."""
    (tmp_path / "p").mkdir()
    for file, text in SUBINTERPRETERS.items():
        (tmp_path / file).write_text(text)
    run = python.run("main.py", cwd=tmp_path, PYTHONPATH=str(ROOT / "python"))
    said = run.stderr.decode()
    assert run.returncode == 0, said
    assert said.count("imports stay eager: ") == said.count("subinterpreters") == 3


@pytest.mark.parametrize("python", chosen(), ids=lambda p: p.name)
def test_run_follows_its_options(python: LazyPython, tmp_path: Path) -> None:
    """`glowplug lazy run` on every version, also where lazy imports are the interpreter's own."""
    main = "import sys, m, n, t\nt\nprint(*('m' in sys.modules, 'n' in sys.modules))\n"
    for file, text in {"main.py": main, "t.py": "import n\n", "m.py": "", "n.py": ""}.items():
        (tmp_path / file).write_text(text)
    expected = {
        (): "False False",
        ("--keep-eager", "=t"): "False True",
        ("--keep-eager", "*"): "True True",
        ("--mode", "normal"): "True True",
        ("--modules", "m"): "False True",
        ("--mode", "normal", "--modules", "m,n"): "False False",
    }
    for options, loaded in expected.items():
        command = [str(glowplug()), "lazy", "run", *options, "--python", str(python.path)]
        run = subprocess.run(
            [*command, "main.py"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (run.stdout.strip(), run.stderr) == (loaded, ""), options


def test_a_program_sees_nothing_of_the_way_it_was_started(tmp_path: Path) -> None:
    for python in backports():
        code = (
            "import os, sys\n"
            "print(sorted(k for k in os.environ if 'GLOWPLUG' in k or k[:3] == 'LD_'),"
            " sys.argv, sys.orig_argv[1:] if sys.version_info >= (3, 10) else '', __name__,"
            " sorted(n for n in sys.modules if 'glowplug' in n), sorted(globals()),"
            " os.listdir('/proc/self/fd').__len__())\n"
        )
        (tmp_path / "main.py").write_text(code)
        lazy = python.run("main.py", "a", cwd=tmp_path)
        eager = python.run_eagerly("main.py", "a", cwd=tmp_path)
        assert lazy.stdout and lazy.stdout == eager.stdout


def test_an_interpreter_that_is_not_known_is_refused_once(tmp_path: Path) -> None:
    """The extension of another minor refuses, and imports stay eager."""
    if not one_of((3, 11)):
        pytest.skip("needs CPython 3.11")
    (python,) = one_of((3, 11))
    (tmp_path / "m.py").write_text("x = 1\n")
    (tmp_path / "main.py").write_text(
        "import sys\nimport glowplug.lazy as lazy\n"
        "assert not lazy.install() and not lazy.install()\nimport m\nassert 'm' in sys.modules\n"
    )
    run = python.run_eagerly("main.py", cwd=tmp_path, GLOWPLUG_RUNTIME=str(tmp_path))
    assert run.returncode == 0, run.stderr.decode()
    assert run.stderr.decode().count("imports stay eager") == 1


REFUSED = {
    "free-threaded": "sys._is_gil_enabled = lambda: False\n",
    "pypy": "import types\n"
    "sys.implementation = types.SimpleNamespace(**{**vars(sys.implementation), 'name': 'pypy'})\n",
    "not installed": "sys.version_info = (3, 99, 0, 'final', 0)\n",
}


@pytest.mark.parametrize("reason", REFUSED)
@pytest.mark.parametrize("python", backports()[-1:], ids=lambda p: p.name)
def test_what_is_refused_imports_eagerly(python: LazyPython, reason: str, tmp_path: Path) -> None:
    """What cannot be had on every machine says so of itself."""
    (tmp_path / "m.py").write_text("x = 1\n")
    (tmp_path / "main.py").write_text(
        "import sys\n" + REFUSED[reason] + "import glowplug.lazy as lazy\n"
        "assert not lazy.install() and not lazy.install()\nimport m\nassert 'm' in sys.modules\n"
    )
    run = python.run_eagerly("main.py", cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    said = run.stderr.decode()
    assert said.count("imports stay eager") == 1 and reason in said
