"""Damaged images, hostile caches, full disks: the program runs as ever, and the next image is a
good one.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import images
from harness.clock import write
from harness.running import Conditions

SCRIPT = "import json\nimport email.message\nprint(json.dumps(['it', 'runs']))\n"
RESULT = b'["it", "runs"]\n'
ROOT = os.geteuid() == 0
NOBODY = 65534


def runs(outcome) -> None:
    """The program ran, and nothing else was said."""
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, RESULT, b""), outcome


@pytest.fixture
def script(starter, built) -> Path:
    path = write(starter.folder / "main.py", SCRIPT)
    starter.becomes_thawed(path)
    return path


def replace_with(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Damage that puts something else in the image's place."""

    def damage(image: Path) -> None:
        image.unlink()
        make(image)

    return damage


def _hard_link(image: Path) -> None:
    os.link(image, image.parent.parent / "second-name.image")


def _symbolic_link(image: Path) -> None:
    elsewhere = image.parent.parent.parent / "elsewhere"
    image.rename(elsewhere)
    image.symlink_to(elsewhere)


def _truncate(size: Callable[[int], int]) -> Callable[[Path], None]:
    return lambda image: os.truncate(image, size(image.stat().st_size))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": _truncate(lambda size: 0),
    "one_byte": _truncate(lambda size: 1),
    "head_only": _truncate(lambda size: images.HEAD_LEN),
    "half": _truncate(lambda size: size // 2),
    "a_page_short": _truncate(lambda size: size - 4096),
    "a_byte_short": _truncate(lambda size: size - 1),
    "a_page_longer": _truncate(lambda size: size + 4096),
    "magic": lambda image: images.patch(image, 0, b"GLOWPLUX"),
    "version": lambda image: images.patch(image, 8, b"\xff\xff\xff\x7f"),
    "other_build": lambda image: images.patch(image, images.BUILD.start, bytes(16)),
    "other_key": lambda image: images.patch(image, 32, bytes(16)),
    "length": lambda image: images.patch(image, 56, b"\xff" * 8),
    "pages_offset": lambda image: images.patch(image, 64, b"\xff" * 8),
    "sections": lambda image: images.patch(image, 72, b"\xff" * 128),
    "zeros": lambda image: images.patch(image, 0, bytes(images.HEAD_LEN)),
    "group_writable": lambda image: image.chmod(0o620),
    "world_readable": lambda image: image.chmod(0o604),
    "folder": replace_with(Path.mkdir),
    "pipe": replace_with(os.mkfifo),
    "text": replace_with(lambda image: image.write_text("not an image\n" * 1000)),
    "dangling_link": replace_with(lambda image: image.symlink_to("/nonexistent")),
    "symbolic_link": _symbolic_link,
    "hard_link": _hard_link,
}
if ROOT:
    DAMAGES["foreign_owner"] = lambda image: os.chown(image, NOBODY, NOBODY)
    DAMAGES["foreign_group"] = lambda image: (os.chown(image, 0, NOBODY), image.chmod(0o660))


@pytest.mark.parametrize("name", DAMAGES)
def test_image_that_cannot_be_used(starter, script, name):
    """Refused with a reason when forced, run plainly otherwise, and made anew."""
    (image,) = starter.images()
    DAMAGES[name](image)
    forced = starter.start(script, via="thaw")
    assert forced.status == 124 and forced.stdout == b"", forced
    assert len(forced.errors().splitlines()) <= 3 and forced.stderr, forced
    way, outcome = starter.explained(script)
    assert way.startswith("plain: ")
    runs(outcome)
    starter.wait_until_idle()
    way, outcome = starter.explained(script)
    assert way.startswith("thawed") or name == "folder", way
    runs(outcome)
    for name_left in ("second-name.image",):
        (starter.cache / name_left).unlink(missing_ok=True)


@pytest.mark.parametrize("round_", range(8))
def test_single_bit_in_head_and_tables(starter, script, round_):
    """One bit of an image's head or tables is wrong: the program runs plainly. Where only padding
    is hit, which nothing relies on, it may be thawed.
    """
    (image,) = starter.images()
    good = image.read_bytes()
    for seed in range(round_ * 25, (round_ + 1) * 25):
        image.write_bytes(good)
        images.scramble(image, seed)
        outcome = starter.start(script, conditions=Conditions(env={"GLOWPLUG_FREEZE": "false"}))
        assert (outcome.status, outcome.stdout) == (0, RESULT), (seed, outcome)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\xff" * 5000, b"A" * 10_000_000, b"PATH\nPATH\n\n=\n", None]
)
def test_selector_that_is_garbage(starter, script, content):
    (selector,) = (starter.cache / "images").glob("*.selector")
    selector.unlink()
    if content is None:
        selector.mkdir()
    else:
        selector.write_bytes(content)
    runs(starter.start(script))
    starter.wait_until_idle()
    runs(starter.start(script))
    starter.wait_until_idle()
    if content is None:
        selector.rmdir()


def _make_file(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.write_text("in the way")


def _without_images(cache: Path) -> None:
    shutil.rmtree(cache / "images")
    (cache / "images").write_text("in the way")


CACHES: dict[str, Callable[[Path], object]] = {
    "gone": shutil.rmtree,
    "file": _make_file,
    "images_is_a_file": _without_images,
    "group_accessible": lambda cache: cache.chmod(0o750),
    "world_writable": lambda cache: cache.chmod(0o777),
}
if ROOT:
    CACHES["foreign_owner"] = lambda cache: os.chown(cache, NOBODY, NOBODY)


@pytest.mark.parametrize("name", CACHES)
def test_cache_that_cannot_be_used(starter, script, name):
    """The program runs plainly; nothing is written to a cache that others could have prepared."""
    CACHES[name](starter.cache)
    for _ in range(2):
        runs(starter.start(script))
        starter.wait_until_idle()
    if name != "gone":
        assert starter.start(script, via="thaw").status == 124
    if starter.cache.is_file():
        starter.cache.unlink()
    elif name == "images_is_a_file":
        (starter.cache / "images").unlink()
    elif name in {"group_accessible", "world_writable", "foreign_owner"}:
        way, _ = starter.explained(script)
        assert way.startswith("plain: ") and str(starter.cache) in way, way


@pytest.mark.parametrize(
    "value", ["/dev/null", "/dev/null/x", "/proc", "/proc/self/fd", "", "relative/cache", "\udcff"]
)
def test_odd_places_for_the_cache(starter, built, value):
    path = write(starter.folder / "main.py", SCRIPT)
    how = Conditions(env={"GLOWPLUG_CACHE_DIR": value})
    for _ in range(2):
        runs(starter.start(path, conditions=how))


def test_no_home(starter, built):
    path = write(starter.folder / "main.py", SCRIPT)
    for env in ({}, {"HOME": "/nonexistent"}, {"HOME": "", "XDG_CACHE_HOME": ""}):
        how = Conditions(
            env=env, unset=["GLOWPLUG_CACHE_DIR"] + (["HOME"] if "HOME" not in env else [])
        )
        runs(starter.start(path, conditions=how))


@pytest.fixture
def mounted(starter):
    """Mounts file systems in the place of the cache, and takes them away again."""
    if (
        not ROOT
        or subprocess.run(["mount", "--version"], capture_output=True, check=False).returncode != 0
    ):
        pytest.skip("needs root to mount a file system")
    done = []

    def mount(*options: str) -> None:
        starter.cache.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(
            [
                "mount",
                "-t",
                "tmpfs",
                "-o",
                ",".join(("mode=0700", *options)),
                "none",
                starter.cache,
            ],
            check=True,
        )
        done.append(starter.cache)

    yield mount
    starter.wait_until_idle()
    for folder in done:
        subprocess.run(["umount", folder], check=True)


def _stray_files(starter) -> list[Path]:
    return [p for p in starter.cache.rglob("*") if p.is_file() and "tmp" in p.name.lower()]


@pytest.mark.parametrize("size", ["size=16k", "size=200k", "size=2m", "nr_inodes=3"])
def test_full_disk(starter, built, mounted, size):
    """An image that does not fit leaves no remains, and never a part of an image."""
    path = write(starter.folder / "main.py", SCRIPT)
    mounted(size)
    for _ in range(2):
        runs(starter.start(path))
        starter.wait_until_idle()
    assert not _stray_files(starter)
    assert starter.start(path, via="thaw").status == 124
    refused = starter.freeze(path)
    assert refused.status not in (0, 122) and refused.stderr, refused


def test_read_only_cache(starter, script, mounted):
    """An image in a cache that cannot be written to is used; where there is none, the program runs
    plainly.
    """
    elsewhere = starter.folder / "copy"
    shutil.copytree(starter.cache, elsewhere, copy_function=shutil.copy2)
    mounted()
    shutil.copytree(elsewhere, starter.cache, dirs_exist_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", starter.cache], check=True)
    runs(starter.start(script, via="thaw"))
    other = write(starter.folder / "other.py", SCRIPT)
    for _ in range(2):
        runs(starter.start(other))
        starter.wait_until_idle()


def test_cache_on_noexec(starter, built, mounted):
    """A file system mounted noexec: its pages cannot be mapped executable."""
    path = write(starter.folder / "main.py", SCRIPT)
    mounted("noexec")
    for _ in range(2):
        runs(starter.start(path))
        starter.wait_until_idle()


@pytest.mark.parametrize("size", [0, 4096, 1 << 20])
def test_file_size_limit(starter, built, size):
    """Under RLIMIT_FSIZE no image can be written; the signal that goes with it is not the
    program's.
    """
    path = write(starter.folder / "main.py", SCRIPT)

    def limit() -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        )

    for _ in range(2):
        runs(starter.start(path, conditions=Conditions(prepare=limit)))
        starter.wait_until_idle()
    assert not [path for path in starter.images() if not images.read(path).is_refusal]
    assert not _stray_files(starter)
    frozen = starter.freeze(path, conditions=Conditions(prepare=limit))
    assert frozen.status == 121 and b"too large" in frozen.stderr.lower(), frozen


def test_file_size_limit_that_the_image_exceeds(starter, built):
    """There is room for the records of a freezer, but not for the image: it fails without remains,
    in the background and in the foreground.
    """
    write(starter.folder / "large.py", "BLOB = bytes(range(1, 251)) * 400_000\n")
    path = write(starter.folder / "main.py", "import large\n" + SCRIPT)

    def limit() -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (80 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        )

    how = Conditions(prepare=limit)
    runs(starter.start(path, conditions=how))
    starter.wait_until_idle()
    frozen = starter.freeze(path, conditions=how)
    assert frozen.status == 121 and b"too large" in frozen.stderr.lower(), frozen
    assert not list((starter.cache / "images").glob("*.image"))
    assert not list((starter.cache / "images").glob(".new-*"))


def test_few_descriptors(starter, script):
    """With hardly a free descriptor the program still starts."""
    for number in (5, 6, 8, 12, 20):

        def limit(number: int = number) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))

        how = Conditions(prepare=limit)
        if starter.plain(script, conditions=how).status == 0:
            runs(starter.start(script, conditions=how))


@pytest.mark.parametrize("missing", ["glowplug-thaw", "recorder.so", "python-", "all"])
def test_runtime_that_is_incomplete(starter, built, missing):
    """Parts of Glowplug are missing: the program runs."""
    path = write(starter.folder / "main.py", SCRIPT)
    runtime = starter.folder / "runtime"
    shutil.copytree(built.parent.parent / "lib" / "glowplug", runtime)
    for part in runtime.iterdir():
        if missing == "all" or part.name.startswith(missing):
            part.unlink()
    for _ in range(2):
        runs(starter.start(path, conditions=Conditions(env={"GLOWPLUG_RUNTIME": str(runtime)})))
        starter.wait_until_idle()
    assert starter.images() == []
    frozen = starter.freeze(path, conditions=Conditions(env={"GLOWPLUG_RUNTIME": str(runtime)}))
    assert frozen.status == 121 and str(runtime) in frozen.errors(), frozen


def test_freezer_that_is_killed(starter, built):
    """A freezer that dies leaves nothing that keeps the next one from working."""
    import signal

    from harness import processes

    path = write(starter.folder / "main.py", SCRIPT)
    for _ in range(3):
        runs(starter.start(path))
        for pid in processes.bearing(starter.mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        starter.wait_until_idle()
    runs(starter.start(path))
    starter.wait_until_idle()
    assert starter.explained(path)[0].startswith("thawed")
    assert starter.execute("images", "prune").status == 0
    assert not _stray_files(starter)
