"""`glowplug bundle`: one file that is an interpreter with modules preloaded."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
from harness import images
from harness.clock import settle, write
from harness.running import Conditions, Outcome, run
from harness.starting import require_same

USAGE, STARTER, NOT_FOUND = 2, 118, 127
MODULES = "decimal,email.message,argparse"
PROGRAM = """\
import os
import sys

print(sys.executable, sys.prefix, sys.argv, sys.orig_argv, sys.path, __name__, os.getcwd())
print(sys.stdin.read())
print("err", file=sys.stderr)
sys.exit(5)
"""


@pytest.fixture
def bundle(starter, built):
    path = starter.folder / "python-bundle"
    outcome = starter.execute("bundle", MODULES, "-o", path, "--python", starter.python)
    assert outcome.status == 0, outcome.errors()
    settle()
    return path


def start(starter, bundle, *words, **env) -> tuple[str, Outcome]:
    """Starts a program by a bundle: how it was started, and what it did."""
    environment = {**starter.env, "GLOWPLUG_EXPLAIN": "1", **env}
    how = Conditions(stdin=b"input")
    outcome = run([bundle, *words], environment, starter.fresh_work(), how)
    first, _, rest = outcome.errors().partition("\n")
    assert first.startswith("glowplug: "), outcome
    return first.removeprefix("glowplug: "), replace(outcome, stderr=rest.encode())


def test_any_program(starter, bundle):
    """One image for all, made when the first is started."""
    script = write(starter.folder / "script.py", PROGRAM)
    programs = [
        (script, "a", "b"),
        ("-c", PROGRAM, "x"),
        ("-m", "json.tool", "--sort-keys", "--indent=1", os.devnull),
        ("-c", "print(1)"),
    ]
    conditions = Conditions(stdin=b"input")
    plain = [starter.plain(*words, conditions=conditions) for words in programs]
    way, outcome = start(starter, bundle, *programs[0])
    assert way.startswith("plain: there is no"), way
    require_same(plain[0], outcome)
    starter.wait_until_idle()
    for words, expected in zip(programs, plain, strict=True):
        way, outcome = start(starter, bundle, *words)
        assert way.startswith("thawed"), way
        require_same(expected, outcome)
    starter.wait_until_idle()
    (image,) = starter.images()
    assert set(MODULES.split(",")) <= set(images.read(image).meta["modules"])
    seen = "import sys; print('decimal' in sys.modules)"
    assert start(starter, bundle, "-c", seen)[1].text() == "True\n"


def test_what_only_python_answers(starter, bundle):
    for words in (("-V",), ("--explain", "-c", "1"), ("--via=thaw",), ("-S", "-c", "print(1)")):
        plain = starter.plain(*words)
        env = starter.env
        require_same(plain, run([bundle, *words], env, starter.fresh_work()))


@pytest.mark.parametrize("via", ["fork", "pool"])
def test_by_a_server(starter, bundle, via):
    script = write(starter.folder / "script.py", PROGRAM)
    plain = starter.plain(script, conditions=Conditions(stdin=b"input"))
    for _ in range(2):
        way, outcome = start(starter, bundle, script, GLOWPLUG_VIA=via)
        assert way.startswith("started "), way
        require_same(plain, outcome)


def test_module_that_changes(starter, built):
    """An edited module is never stale, and the image is made again."""
    folder = starter.folder / "packages"
    module = write(folder / "of_the_test.py", "WORD = 'one'\n")
    path = starter.folder / "python-bundle"
    env = {"PYTHONPATH": str(folder)}
    words = ["bundle", "of_the_test", "-o", path, "--python", starter.python]
    made = starter.execute(*words, conditions=Conditions(env=env))
    assert made.status == 0, made.errors()
    code = "import of_the_test; print(of_the_test.WORD)"
    # Of different lengths: Python tells bytecode by whole seconds and sizes.
    for word in ("one", "other"):
        write(module, f"WORD = {word!r}\n")
        for expected in ("plain", "thawed"):
            way, outcome = start(starter, path, "-c", code, **env)
            assert way.startswith(expected) and outcome.text() == f"{word}\n", way
            starter.wait_until_idle()


def test_without_glowplug(starter, built):
    """What the bundle names is started all the same."""
    home = starter.folder / "glowplug"
    shutil.copytree(starter.glowplug.resolve().parent.parent, home)
    own = replace(starter, glowplug=home / "bin" / "glowplug")
    path = starter.folder / "python-bundle"
    made = own.execute("bundle", MODULES, "-o", path, "--python", starter.python)
    assert made.status == 0, made.errors()
    shutil.rmtree(home)
    way, outcome = start(starter, path, "-c", PROGRAM, "x")
    assert way.startswith(f"plain: {own.glowplug} cannot be executed"), way
    require_same(starter.plain("-c", PROGRAM, "x", conditions=Conditions(stdin=b"input")), outcome)


def test_mistakes(starter, built):
    path = starter.folder / "python-bundle"

    def made(*words):
        return starter.execute("bundle", *words)

    python = ["--python", starter.python]
    missing = made("decimal,nothing_of_the_kind", "-o", path, *python)
    assert missing.status == USAGE and "no module nothing_of_the_kind" in missing.errors()
    assert made("decimal", "-o", path, "--python", "/nonexistent/python").status == NOT_FOUND
    assert made("-decimal", "-o", path, *python).status == USAGE
    assert not path.exists()
    nowhere = starter.folder / "missing" / "python-bundle"
    unwritten = made("decimal", "-o", nowhere, *python)
    assert unwritten.status == STARTER and f"cannot write {nowhere}" in unwritten.errors()
