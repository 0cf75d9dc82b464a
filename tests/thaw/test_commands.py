"""`glowplug freeze -o`, `glowplug thaw` and `glowplug images`."""

from __future__ import annotations

import json
import re

import pytest
from harness import images
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import require_same

SCRIPT = (
    "import json\nimport sys\n"
    "print(json.dumps(sys.argv), __name__, 'email.message' in sys.modules)\n"
    "print('sqlite3' in sys.modules)\n"
)


def made(starter, *words):
    """An image in a file, made on purpose."""
    file = starter.folder / "my.image"
    settle()
    outcome = starter.execute(
        "freeze", "-o", file, "--python", starter.python, "--preload", "json,email.message", *words
    )
    assert outcome.status == 0, outcome.errors()
    return file


def test_image_in_a_file(each_starter, built):
    """What was named is preloaded; scripts, modules and code start from the same file."""
    file = made(each_starter)
    assert {"json", "email.message"} <= set(images.read(file).meta["modules"])
    script = write(each_starter.folder / "main.py", SCRIPT)
    code = "import sys; print(sys.argv, 'email.message' in sys.modules); sys.exit(3)"
    for program, status in (
        ((script, "a"), 0),
        (("-c", code, "b"), 3),
        (("-m", "json.tool", "--help"), 0),
    ):
        plain = each_starter.plain(*program)
        outcome = each_starter.execute("thaw", file, *program)
        assert outcome.status == plain.status == status, outcome.errors()
        assert outcome.stdout == plain.stdout.replace(b"False", b"True", 1)
        assert outcome.stderr == plain.stderr


def test_thaw_of_what_is_no_image(starter, built):
    """An error that names the file, not a plain start."""
    script = write(starter.folder / "main.py", SCRIPT)
    for file in (script, starter.folder / "missing.image", starter.folder):
        outcome = starter.execute("thaw", file, script)
        assert outcome.status in (121, 124), outcome
        assert outcome.stdout == b"" and file.name.encode() in outcome.stderr


def test_freeze_that_is_refused(starter, built):
    """The status, the module and the cause."""
    write(starter.folder / "project" / "fails.py", "raise RuntimeError('out of order')\n")
    script = write(starter.folder / "project" / "main.py", "import fails\nprint('runs')\n")
    outcome = starter.freeze(script)
    assert outcome.status == 122, outcome
    assert b"importing fails failed" in outcome.stderr and b"out of order" in outcome.stderr


def test_freeze_before_any_start(each_starter, built):
    """A freezer writes no bytecode, whose writing would be an act of the imports; the thawed
    program writes it as ever.
    """
    starter = each_starter
    write(starter.folder / "project" / "helper.py", "VALUE = 1\n")
    write(starter.folder / "project" / "package" / "__init__.py", "from . import inner\n")
    write(starter.folder / "project" / "package" / "inner.py", "VALUE = 2\n")
    write(starter.folder / "project" / "late.py", "VALUE = 3\n")
    write(
        starter.folder / "project" / "temporary.py",
        "import os\nimport tempfile\nFOLDER = tempfile.gettempdir()\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    with open(os.path.join(folder, 'x'), 'w+') as file:\n"
        "        file.write('x')\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import sys\nimport helper\nimport package\nimport temporary\n"
        "print(helper.VALUE, package.inner.VALUE, sys.dont_write_bytecode, sys.flags)\n"
        "def later():\n    import late\n    return late.VALUE\n"
        "print(later())\n",
    )
    outcome = starter.freeze(script)
    assert outcome.status == 0, outcome.errors()
    written = list((starter.folder / "project").rglob("*.pyc"))
    assert written == []
    thawed = starter.start(script, via="thaw")
    assert thawed.status == 0, thawed.errors()
    written = [path.name.split(".")[0] for path in (starter.folder / "project").rglob("*.pyc")]
    assert written == ["late"]
    assert thawed.stdout == starter.plain(script).stdout


def test_freeze_of_what_does_not_exist(starter, built):
    outcome = starter.freeze(starter.folder / "missing.py")
    assert outcome.status == 2 and b"missing.py" in outcome.stderr
    nowhere = ("freeze", "--python", starter.folder / "no-python", "--", starter.folder / "x.py")
    assert starter.execute(*nowhere).status == 127
    outcome = starter.execute(
        "freeze",
        "-o",
        starter.folder / "x.image",
        "--python",
        starter.python,
        "--preload",
        "no_such_module",
    )
    assert outcome.status != 0 and b"no_such_module" in outcome.stderr
    assert not (starter.folder / "x.image").exists()


def test_images(starter, built):
    """List, show, verify, remove and prune agree with each other."""
    script = write(starter.folder / "main.py", SCRIPT)
    assert starter.execute("images", "list").status == 0
    starter.ensure_frozen(script)
    listed = json.loads(starter.execute("images", "list", "--json").stdout)
    assert len(listed) == 1
    table = starter.execute("images", "list").text()
    assert "main.py" in table
    key = re.search(r"[0-9a-f]{6,}", table)
    assert key, table
    shown = starter.execute("images", "show", key[0])
    assert shown.status == 0 and "main.py" in shown.text(), shown
    assert json.loads(starter.execute("images", "show", "--json", key[0]).stdout)
    assert starter.execute("images", "verify", key[0]).status == 0
    path = starter.images()[0]
    images.patch(path, path.stat().st_size - 4096, b"\x5a" * 64)
    assert starter.execute("images", "verify", key[0]).status == 121
    assert starter.execute("images", "remove", key[0]).status == 0
    assert starter.images() == []
    starter.frozen.clear()
    starter.ensure_frozen(script)
    images.patch(starter.images()[0], 0, b"NOIMAGES")
    assert starter.execute("images", "prune").status == 0
    assert starter.images() == []


def test_cache_keeps_its_limit(starter, built):
    """With room for two images, a third takes the place of the one that was used least recently."""
    scripts = [write(starter.folder / f"main{n}.py", SCRIPT) for n in range(3)]
    starter.ensure_frozen(scripts[0])
    size = starter.images()[0].stat().st_blocks * 512
    limited = {"GLOWPLUG_CACHE_SIZE": str(int(size * 2.5))}
    from harness.running import Conditions

    how = Conditions(env=limited)
    starter.ensure_frozen(scripts[1], conditions=how)
    starter.ensure_frozen(scripts[2], conditions=how)
    assert sum(path.stat().st_blocks * 512 for path in starter.images()) <= size * 2.5
    assert starter.start(scripts[2], via="thaw", conditions=how).status == 0
    assert starter.start(scripts[0], via="thaw", conditions=how).status == 124


@pytest.mark.parametrize("options", [(), ("-I",)], ids=["as it is", "isolated"])
def test_freeze_of_a_module_before_any_start(starter, built, options):
    """What `-m` runs is found where the interpreter looks: its package and leading imports are
    preloaded, as if it had been started before.
    """
    folder = starter.folder / "project"
    write(folder / "tool" / "__init__.py", "import fractions\n")
    write(folder / "tool" / "__main__.py", "from tool import inner\nprint(inner.VALUE)\n")
    write(folder / "tool" / "inner.py", "import email.message\nVALUE = 1\n")
    conditions = Conditions(cwd=folder)
    module = "json.tool" if options else "tool"
    starter.ensure_frozen(*options, "-m", module, conditions=conditions)
    (path,) = starter.images()
    wanted = {"json", "argparse"} if options else {"tool", "tool.inner", "fractions"}
    assert wanted <= set(images.read(path).meta["modules"])
    plain = starter.plain(*options, "-m", module, conditions=conditions)
    require_same(plain, starter.start(*options, "-m", module, via="thaw", conditions=conditions))
