"""`--sealed`: the image is used without comparing its inputs; all else is checked as ever."""

from __future__ import annotations

import pytest
from harness import images
from harness.clock import write
from harness.running import Conditions


@pytest.fixture
def project(starter, built):
    folder = starter.folder / "project"
    module = write(folder / "part.py", "VALUE = 'old'\n")
    script = write(folder / "main.py", "import part\nprint(part.VALUE)\n")
    assert starter.freeze(script).status == 0
    return module, script


SEALS = {
    "option": (["--sealed"], {}, ""),
    "variable": ([], {"GLOWPLUG_SEALED": "1"}, ""),
    "file": ([], {}, "sealed = true\n"),
}


@pytest.mark.parametrize("seal", SEALS)
def test_run_takes_the_image_as_it_is(starter, project, seal):
    """The danger: an edited module is not noticed. Without it the same image is not used."""
    module, script = project
    options, env, file = SEALS[seal]
    if file:
        write(script.parent / "glowplug.toml", file)
    how = Conditions(env={**env, "GLOWPLUG_FREEZE": "0"})
    write(module, "VALUE = 'edited'\n")
    outcome = starter.start(*options, script, via="thaw", conditions=how)
    assert outcome.text() == "old\n", outcome
    if file:
        write(script.parent / "glowplug.toml", "sealed = false\n")
    unsealed = Conditions(env={"GLOWPLUG_FREEZE": "0"})
    assert starter.start(script, conditions=unsealed).text() == "edited\n"
    assert starter.start(script, via="thaw", conditions=unsealed).status == 124


def test_program_itself_is_always_its_source(starter, project):
    """What is not imported is read at each start."""
    _, script = project
    write(script, "import part\nprint('new', part.VALUE)\n")
    assert starter.start("--sealed", script, via="thaw").text() == "new old\n"


def test_identity_and_machine_are_checked(starter, project):
    """A damaged image, one of another build, and one whose variables have other values."""
    module, script = project
    (image,) = starter.images()
    good = image.read_bytes()
    for damage in (
        lambda: images.patch(image, images.BUILD.start, bytes(16)),
        lambda: images.patch(image, 100, b"\xff"),
        lambda: image.chmod(0o640),
    ):
        damage()
        assert starter.start("--sealed", script, via="thaw").status == 124
        image.chmod(0o600)
        image.write_bytes(good)
    assert starter.start("--sealed", script, via="thaw").status == 0
    other = Conditions(env={"LANG": "C"})
    assert starter.start("--sealed", script, via="thaw", conditions=other).status == 124


def test_refusal_is_obeyed(starter, built):
    """A program that may not be frozen starts plainly."""
    folder = starter.folder / "project"
    write(folder / "part.py", "import sys\nif sys.stdin.fileno() == 0:\n    raise SystemExit(4)\n")
    script = write(folder / "main.py", "import part\nprint('main')\n")
    assert starter.freeze(script).status == 122
    assert starter.start("--sealed", script).status == 4


def test_thaw_of_a_file(starter, built):
    """The same for `glowplug thaw`, by option and variable."""
    folder = starter.folder / "project"
    module = write(folder / "part.py", "VALUE = 'old'\n")
    script = write(folder / "main.py", "import part\nprint(part.VALUE)\n")
    image = starter.folder / "any.image"
    path = Conditions(env={"PYTHONPATH": str(folder)})
    words = ["freeze", "--python", starter.python, "--preload", "part", "-o", image]
    assert starter.execute(*words, conditions=path).status == 0
    write(module, "VALUE = 'edited'\n")
    assert starter.execute("thaw", image, script, conditions=path).text() == "edited\n"
    sealed = starter.execute("thaw", image, "--sealed", script, conditions=path)
    assert sealed.text() == "old\n", sealed
    variable = Conditions(env={**path.env, "GLOWPLUG_SEALED": "1"})
    assert starter.execute("thaw", image, script, conditions=variable).text() == "old\n"
    wrong = starter.execute("thaw", image, "--sealed=yes", script, conditions=path)
    assert wrong.status == 2 and "--sealed" in wrong.errors(), wrong
