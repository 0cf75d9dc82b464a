"""Images are made anew from time to time, so that what cannot be drawn at each thaw does not stay
the same for ever. Nothing waits for a day here: limits are settings.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from dataclasses import replace

import pytest
from harness import images, processes
from harness.build import ROOT
from harness.clock import settle, write
from harness.running import Conditions

SCRIPT = "import json\nimport email.message\nprint(json.dumps(['it', 'runs']))\n"

# What is drawn when an image is made: where a library lies, the seed of hashes, and the canary of
# the stack and the pointer guard, which glibc keeps at fs:0x28 and fs:0x30.
KEPT = """\
import ctypes
import json
libc = ctypes.CDLL(None)
libc.syscall.restype = ctypes.c_long
base = ctypes.c_ulong()
# arch_prctl(ARCH_GET_FS)
assert libc.syscall(ctypes.c_long(158), ctypes.c_long(0x1003), ctypes.byref(base)) == 0
words = [ctypes.c_ulong.from_address(base.value + offset).value for offset in (0x28, 0x30)]
place = ctypes.cast(libc.getpid, ctypes.c_void_p).value
print(json.dumps([hash("x"), *words, place]))
"""


def limits(age: str = "never", thaws: str = "never", **more: str) -> Conditions:
    return Conditions(
        env={"GLOWPLUG_RENEW_AFTER": age, "GLOWPLUG_RENEW_AFTER_THAWS": thaws, **more}
    )


def made(starter) -> list[int]:
    """When the images of the cache were made."""
    return [images.created(path) for path in starter.images()]


def shown(starter, conditions: Conditions) -> dict:
    (path,) = starter.images()
    text = starter.execute("images", "show", path.name[:8], "--json", conditions=conditions).stdout
    return json.loads(text)[0]["renewal"]


@pytest.fixture
def script(starter, built):
    path = write(starter.folder / "project" / "main.py", SCRIPT)
    assert starter.freeze(path).status == 0
    return path


def test_what_stays_in_an_image_changes_with_it(starter, built):
    """Hash seed, stack canary, pointer guard and layout are those of the image; its renewal draws
    them anew.
    """
    path = write(starter.folder / "project" / "main.py", KEPT)
    starter.ensure_frozen(path)
    never = limits()
    before = [starter.start(path, via="thaw", conditions=never).text() for _ in range(2)]
    assert before[0] == before[1] and len(set(json.loads(before[0]))) == 4
    # The start that finds the image due is itself thawed from it.
    way, renewing = starter.explained(path, conditions=limits("0s"))
    assert way.startswith("thawed") and renewing.text() == before[0]
    starter.wait_until_idle()
    after = starter.start(path, via="thaw", conditions=never).text()
    pairs = zip(json.loads(before[0]), json.loads(after), strict=True)
    assert all(one != other for one, other in pairs), (before[0], after)


def test_image_is_renewed_after_so_many_thaws(starter, script):
    """Not before, and the count begins anew."""
    (first,) = made(starter)
    how = limits(thaws="5")
    for number in range(1, 5):
        assert starter.explained(script, conditions=how)[0].startswith("thawed")
        assert shown(starter, how)["thaws"] == number
        starter.wait_until_idle()
        assert made(starter) == [first]
    assert starter.explained(script, conditions=how)[0].startswith("thawed")
    starter.wait_until_idle()
    (second,) = made(starter)
    assert second > first
    told = shown(starter, how)
    assert (told["thaws"], told["after_thaws"], told["due"]) == (0, 5, False)
    assert starter.explained(script, conditions=how)[0].startswith("thawed")
    assert shown(starter, how)["thaws"] == 1


def test_usual_limits(starter, script):
    """A day and ten thousand thaws, of which about one in a hundred is written down."""
    told = shown(starter, Conditions())
    assert told == {"thaws": 0, "after_seconds": 86_400, "after_thaws": 10_000, "due": False}
    (path,) = starter.images()
    text = starter.execute("images", "show", path.name[:8]).text()
    assert "thawed      0 times\n" in text, text
    assert "renewed     at the age of 1d or after 10000 thaws\n" in text, text
    write(
        starter.folder / "project" / "glowplug.toml", "renew-after = '2h'\nrenew-after-thaws = 9\n"
    )
    # The settings of the program's folder are found from there.
    outcome = subprocess.run(
        starter.command("images", "show", path.name[:8]),
        env=starter.env,
        cwd=starter.folder / "project",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "renewed     at the age of 2h or after 9 thaws\n" in outcome.stdout, outcome.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [("GLOWPLUG_RENEW_AFTER", "soon"), ("GLOWPLUG_RENEW_AFTER_THAWS", "0")],
)
def test_limits_that_make_no_sense(starter, script, name, value):
    outcome = starter.start(script, conditions=Conditions(env={name: value}))
    assert outcome.status == 0 and name in outcome.errors() and value in outcome.errors(), outcome


def test_starts_that_do_not_renew(starter, script):
    """A forced thaw, a sealed one, where no images are made in the background, and with limits that
    are far away or none.
    """
    (first,) = made(starter)
    assert starter.start(script, via="thaw", conditions=limits("0s", "1")).status == 0
    for how in (
        limits("0s", "1", GLOWPLUG_SEALED="1"),
        limits("0s", "1", GLOWPLUG_FREEZE="0"),
        limits("1h", "1000"),
        limits(),
    ):
        assert starter.explained(script, conditions=how)[0].startswith("thawed")
        starter.wait_until_idle()
        assert made(starter) == [first], how


def test_sixteen_starts_side_by_side(starter, script):
    """All are thawed, all count, and one freezer is started."""
    how = limits(thaws="16")
    env = {**starter.env, **how.env}
    for _ in range(2):
        (before,) = made(starter)
        command = starter.command("run", "--python", starter.python, "--explain", script)
        starts = [
            subprocess.Popen(
                command, env=env, cwd=starter.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(16)
        ]
        for start in starts:
            out, err = start.communicate(timeout=60)
            assert start.returncode == 0 and out == b'["it", "runs"]\n', (out, err)
            assert err.startswith(b"glowplug: thawed"), err
        starter.wait_until_idle()
        (after,) = made(starter)
        assert after > before
        assert shown(starter, how)["thaws"] <= 15


def test_read_only_history(starter, script):
    """Where thaws cannot be counted, images are used all the same."""
    (path,) = starter.images()
    history = path.with_suffix(".thaws")
    history.mkdir()
    for _ in range(3):
        assert starter.explained(script, conditions=limits(thaws="1"))[0].startswith("thawed")
    starter.wait_until_idle()
    history.rmdir()


def test_limit_of_file_sizes(starter, script):
    """Under RLIMIT_FSIZE a process that writes is killed: then thaws are not counted."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    how = replace(limits("0s", "1"), prepare=limit)
    way, outcome = starter.explained(script, conditions=how)
    assert way.startswith("thawed") and outcome.status == 0, outcome
    assert shown(starter, limits())["thaws"] == 0


def test_renewal_that_fails_is_not_tried_at_each_start(starter, built):
    """The freezer is killed; the old image serves on, and the next trial comes after a pause."""
    source = SCRIPT + "import sys\nsys.stdout.flush()\nsys.stdin.read()\n"
    script = write(starter.folder / "project" / "main.py", source)
    assert starter.freeze(script).status == 0
    (path,) = starter.images()
    before = path.read_bytes()

    def kill_freezer(program: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """The freezer waits for the program, which waits for the end of its input."""
        out = program.stdout.readline()
        (freezer,) = {*processes.bearing(starter.mark)} - {program.pid}
        os.kill(freezer, signal.SIGKILL)
        processes.wait_for_end([freezer])
        program.stdin.close()
        return out, b""

    how = limits("2h", "1")
    killing = replace(how, during=kill_freezer)
    assert starter.explained(script, conditions=killing)[0].startswith("thawed")
    assert path.read_bytes() == before
    trial = path.with_suffix(".renewal")
    tried = trial.stat().st_mtime_ns
    for _ in range(3):
        assert starter.explained(script, conditions=how)[0].startswith("thawed")
        starter.wait_until_idle()
    assert trial.stat().st_mtime_ns == tried and path.read_bytes() == before
    an_hour = 3_600_000_000_001
    os.utime(trial, ns=(tried - an_hour, tried - an_hour))
    assert starter.explained(script, conditions=how)[0].startswith("thawed")
    starter.wait_until_idle()
    assert not trial.exists() and path.read_bytes() != before


def test_refusal_does_not_replace_an_image(starter, built):
    """What hinders only the renewal is of the moment: the image stays."""
    project = starter.folder / "project"
    write(
        project / "moody.py",
        "import os\nimport glowplug\n"
        "@glowplug.before_freeze\ndef refuse():\n"
        "    if os.sched_getscheduler(0) == os.SCHED_IDLE:\n"
        "        raise ValueError('not in the background')\n",
    )
    script = write(project / "main.py", "import moody\nprint(1)\n")
    hooks = {"PYTHONPATH": str(ROOT / "python")}
    assert starter.freeze(script, conditions=Conditions(env=hooks)).status == 0
    (path,) = starter.images()
    before = path.read_bytes()
    how = limits("1s", **hooks)
    while not shown(starter, how)["due"]:
        os.sched_yield()
    assert starter.explained(script, conditions=how)[0].startswith("thawed")
    starter.wait_until_idle()
    assert path.with_suffix(".renewal").exists() and path.read_bytes() == before
    assert starter.explained(script, conditions=limits(**hooks))[0].startswith("thawed")


@pytest.mark.parametrize("kind", ["script", "module", "code"])
def test_renewed_image_holds_the_same_modules(starter, built, kind):
    """There is no recorded start to learn from; the renewal goes by the image."""
    project = starter.folder / "project"
    source = (
        "try:\n    import no_such_module\nexcept ImportError:\n    import json\n"
        "import sys\nif sys.version_info < (2,):\n    import wave\nimport email.message\n"
        "print(sorted(n for n in ('json', 'wave', 'email.message') if n in sys.modules))\n"
    )
    write(project / "main.py", source)
    target = {
        "script": [project / "main.py"],
        "module": ["-m", "main"],
        "code": ["-c", source],
    }[kind]
    how = limits(PYTHONPATH=str(project))
    starter.becomes_thawed(*target, conditions=how)
    (path,) = starter.images()
    before = images.read(path)
    renewing = limits("0s", PYTHONPATH=str(project))
    way, outcome = starter.explained(*target, conditions=renewing)
    assert way.startswith("thawed") and outcome.text() == "['email.message', 'json']\n", outcome
    starter.wait_until_idle()
    after = images.read(path)
    assert images.created(path) and after.meta["preload"] == before.meta["preload"]
    assert after.meta["modules"] == before.meta["modules"]
    assert after.meta["target"] == before.meta["target"]
    again = starter.start(*target, via="thaw", conditions=how)
    assert again.text() == "['email.message', 'json']\n", again


def test_import_that_was_added_since(starter, built):
    """A new leading import keeps the image; the renewal takes it in."""
    script = write(starter.folder / "project" / "main.py", "import json\nimport email\nprint(1)\n")
    starter.becomes_thawed(script, conditions=limits())
    write(script, "import json\nimport email\nimport wave\nprint(1)\n")
    settle()
    (path,) = starter.images()
    assert "wave" not in images.read(path).meta["modules"]
    assert starter.explained(script, conditions=limits("0s"))[0].startswith("thawed")
    starter.wait_until_idle()
    assert "wave" in images.read(path).meta["modules"]


def test_history_goes_with_its_image(starter, script):
    """Removing or pruning an image leaves nothing of it."""
    how = limits(thaws="50")
    assert starter.start(script, conditions=how).status == 0
    (path,) = starter.images()
    assert path.with_suffix(".thaws").exists()
    assert starter.execute("images", "remove", path.name[:8]).status == 0
    assert not list((starter.cache / "images").glob("*.thaws"))
    path.with_suffix(".thaws").write_bytes(b"..")
    path.with_suffix(".renewal").write_bytes(b"")
    assert starter.execute("images", "prune").status == 0
    left = {entry.suffix for entry in (starter.cache / "images").iterdir()}
    assert not left & {".thaws", ".renewal", ".selector"}, left
