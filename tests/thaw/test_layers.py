"""A layered file system, as containers have one: what was frozen above one layer is thawed above a
copy of it, in which inode numbers are others and times are whole seconds, as they come out of an
archive.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness import images
from harness.clock import settle, write
from harness.running import Conditions, run

MODULE = "import email.message\nVALUE = 'built'\n"
PROGRAM = "import library\nprint(library.VALUE)\n"
MOUNT = (
    'mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$PLACE" '
    '&& cd "$PLACE" && exec "$@"'
)


class Layers:
    """A folder that processes see at one place, above a layer that may be another one."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.place = folder / "place"
        self.place.mkdir()
        self.runs = 0

    def run(self, lower: Path, words: list[str], env: dict[str, str], *, keep: Path | None = None):
        """Runs a command with `lower` below; what it writes is put into `keep`, or forgotten."""
        self.runs += 1
        upper = keep or self.folder / f"upper-{self.runs}"
        work = self.folder / f"work-{self.runs}"
        for made in (upper, work):
            made.mkdir(exist_ok=True)
        paths = {"LOWER": lower, "UPPER": upper, "WORK": work, "PLACE": self.place}
        env = {**env, **{name: str(path) for name, path in paths.items()}}
        mounted = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", *words]
        return run(mounted, env, self.folder, Conditions(timeout=120))


@pytest.fixture
def layers(starter, built) -> Layers:
    """Where overlays can be mounted."""
    made = Layers(starter.folder)
    below = starter.folder / "nothing"
    below.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (util-linux)")
    outcome = made.run(below, ["true"], starter.env)
    if outcome.status != 0:
        pytest.skip(f"overlays cannot be mounted here: {outcome.errors().strip()}")
    return made


def unpacked(layer: Path, copy: Path) -> Path:
    """A copy as an archive would make one: other inode numbers, no fraction of a second."""
    shutil.copytree(layer, copy, symlinks=True)
    for path in sorted(copy.rglob("*"), reverse=True):
        seconds = int(path.lstat().st_mtime)
        os.utime(path, (seconds, seconds), follow_symlinks=False)
    return copy


@pytest.fixture
def image_layer(starter, layers) -> Path:
    """A layer with an interpreter's environment, a program, and the image that was made in it."""
    base = starter.folder / "base"
    write(base / "library.py", MODULE)
    write(base / "main.py", PROGRAM)
    made = [starter.python, "-m", "venv", "--without-pip", "venv"]
    top = starter.folder / "top"
    assert layers.run(base, made, starter.env, keep=top).status == 0
    layer = starter.folder / "layer"
    shutil.copytree(base, layer)
    shutil.copytree(top, layer, dirs_exist_ok=True, symlinks=True)
    (starter.folder / "home").mkdir()
    settle()
    python = layers.place / "venv" / "bin" / "python"
    words = ["freeze", "-o", "main.image", "--python", python, "--app", "library"]
    built = starter.folder / "built"
    outcome = layers.run(layer, starter.command(*words), starter.env, keep=built)
    assert outcome.status == 0, outcome.errors()
    shutil.copytree(built, layer, dirs_exist_ok=True, symlinks=True)
    assert "library" in images.read(layer / "main.image").meta["modules"]
    return layer


def thaw(starter, layers: Layers, layer: Path, *options: str) -> tuple[str, str]:
    """How it was started, and what it has printed."""
    words = starter.command("thaw", "main.image", "--explain", *options, "main.py")
    outcome = layers.run(layer, words, starter.env)
    assert outcome.status == 0, outcome.errors()
    return outcome.errors().splitlines()[0], outcome.text()


def test_sealed_above_a_copy(starter, layers, image_layer):
    copy = unpacked(image_layer, starter.folder / "copy")
    how, printed = thaw(starter, layers, copy, "--sealed")
    assert how.startswith("glowplug: thawed in") and printed == "built\n"


def test_above_a_copy(starter, layers, image_layer):
    """Every input is compared, by its contents."""
    copy = unpacked(image_layer, starter.folder / "copy")
    how, printed = thaw(starter, layers, copy)
    assert how.startswith("glowplug: thawed in") and printed == "built\n", how


def test_an_edit_in_another_layer_is_seen(starter, layers, image_layer):
    """Also where size and whole seconds are the same."""
    copy = unpacked(image_layer, starter.folder / "copy")
    module = copy / "library.py"
    seconds = module.stat().st_mtime
    module.write_text(MODULE.replace("built", "other"))
    os.utime(module, (seconds, seconds))
    shutil.rmtree(copy / "__pycache__", ignore_errors=True)
    how, printed = thaw(starter, layers, copy)
    assert how.startswith("glowplug: plain: ") and printed == "other\n"
