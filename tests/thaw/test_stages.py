"""A fault at every stage of freeze and thaw: the process is killed there, a system call fails, the
cache is removed or the image replaced meanwhile. The program runs as ever, nothing half-written is
ever used, and nothing is left behind. docs/testing.md has the table.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import aftermath, images, processes, tracing
from harness.clock import settle, write
from harness.running import Conditions, Outcome
from harness.tracing import Call, Fault

SCRIPT = "import json\nimport email.message\nprint(json.dumps(['it', 'runs']))\n"
RESULT = b'["it", "runs"]\n'

Match = Callable[[Call], bool]


def calls(*names: str, path: str = "", ends: str = "", offset: int | None = None) -> Match:
    """Matches system calls by name, parts of the path, and the offset of a `pwrite64`."""
    return lambda call: (
        call.name in names
        and path in call.path
        and call.path.endswith(ends)
        and (offset is None or call.arguments[3] == offset)
    )


def program_lock(*names: str) -> Match:
    return lambda call: (
        call.name in names and call.path.endswith(".lock") and "store" not in call.path
    )


def after(first: Match, then: Match) -> Match:
    """Matches `then` behind a call that matches `first`."""
    seen: list[Call] = []

    def match(call: Call) -> bool:
        if call.index == 0:
            seen.clear()
        if first(call):
            seen.append(call)
        return bool(seen) and then(call)

    return match


@dataclass(frozen=True)
class Stage:
    """A stage of a freeze: the system call that begins it, and the error that it may end with."""

    match: Match
    error: str
    skip: int = 0
    harmless: bool = False
    """The freeze goes on without what failed."""


FORKS = ("fork", "vfork", "clone", "clone3")

# The image is brought to the disk before, so that the kernel can forget it.
REHEARSAL = calls("fdatasync", path="images/.new-")

FREEZE = {
    "the program is locked": Stage(program_lock("flock"), "ENOLCK"),
    "the interpreter is asked about itself": Stage(calls(*FORKS), "EAGAIN"),
    "its answer is kept": Stage(calls("renameat", "rename", ends=".json"), "EIO", harmless=True),
    "a channel is opened": Stage(calls("socketpair"), "EMFILE"),
    "room for the record": Stage(calls("memfd_create"), "ENOMEM"),
    "the interpreter is started": Stage(calls(*FORKS), "ENOMEM", skip=1),
    "it says what the imports did": Stage(calls("recvfrom"), "EIO", skip=1),
    "its leftovers are looked at": Stage(calls("openat", path="/proc/", ends="/fd"), "EMFILE"),
    "it is told to stand still": Stage(calls("sendto"), "EPIPE", skip=1),
    "its memory is surveyed": Stage(calls("openat", ends="/pagemap"), "EACCES"),
    "the image is begun": Stage(calls("openat", path="images/.new-"), "ENOSPC"),
    "it gets its length": Stage(calls("ftruncate", path="images/.new-"), "EFBIG"),
    "its contents are written": Stage(calls("pwrite64", path="images/.new-"), "ENOSPC"),
    "its tables are written": Stage(
        calls("pwrite64", path="images/.new-", offset=images.HEAD_LEN), "EDQUOT"
    ),
    "its head is written": Stage(calls("pwrite64", path="images/.new-", offset=0), "EIO"),
    "it is rehearsed": Stage(after(REHEARSAL, calls(*FORKS)), "EAGAIN"),
    "the rehearsal is watched": Stage(after(REHEARSAL, calls("openat", ends="/pagemap")), "EACCES"),
    "its contents are written again": Stage(
        calls("ftruncate", path="images/.new-"), "ENOSPC", skip=4
    ),
    "its head is written again": Stage(
        calls("pwrite64", path="images/.new-", offset=0), "ENOSPC", skip=1
    ),
    "it is brought to the disk": Stage(calls("fsync", path="images/.new-"), "EIO"),
    "it gets its name": Stage(calls("renameat", "rename", ends=".image"), "ENOSPC"),
    "the folder is brought to the disk": Stage(calls("fsync", ends="/images"), "EIO"),
    "the selector is written": Stage(calls("write", ends=".selector"), "ENOSPC"),
    "the selector gets its name": Stage(calls("renameat", "rename", ends=".selector"), "EROFS"),
    "the interpreter is ended": Stage(calls("kill"), "", skip=1),
    "the lock is removed": Stage(program_lock("unlink", "unlinkat"), "", harmless=True),
}


@pytest.fixture
def script(starter, built) -> Path:
    try:
        tracing.run(["/bin/true"], {}, starter.folder)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"needs ptrace: {error}")
    return write(starter.folder / "project" / "main.py", SCRIPT)


def environment(starter) -> dict[str, str]:
    return {**starter.env, "TMPDIR": str(aftermath.temporary_folder(starter))}


def traced(starter, *words, faults=(), **how) -> Outcome:
    starter.fresh_work()
    settle()
    env = {**environment(starter), **how.pop("env", {})}
    return tracing.run(starter.command(*words), env, starter.work, faults, **how)


def freeze(starter, script, *faults: Fault) -> Outcome:
    outcome = traced(starter, "freeze", "--python", starter.python, "--", script, faults=faults)
    for fault in faults:
        assert fault.hits, "the stage was never reached"
    return outcome


@pytest.mark.parametrize("stage", FREEZE)
def test_freezer_that_is_killed(starter, script, stage):
    """Where it is killed, its interpreter ends as well."""
    which = FREEZE[stage]
    outcome = freeze(starter, script, Fault(which.match, kill=True, skip=which.skip))
    assert outcome.status == -signal.SIGKILL
    aftermath.require_recovery(starter, script, RESULT)


@pytest.mark.parametrize("stage", [name for name, stage in FREEZE.items() if stage.error])
def test_freezer_that_meets_an_error(starter, script, stage):
    """It says what failed and leaves nothing at all, unless it can do without."""
    which = FREEZE[stage]
    fault = Fault(which.match, error=which.error, skip=which.skip)
    outcome = freeze(starter, script, fault)
    if which.harmless:
        assert outcome.status == 0, outcome
    else:
        assert outcome.status == 121 and outcome.errors().startswith("error: "), outcome
    starter.wait_until_idle()
    aftermath.require_no_remains(starter)
    aftermath.require_whole_images(starter)
    # What follows is a first start like any other.
    outcome = starter.start(script, conditions=Conditions(env={"GLOWPLUG_FREEZE": "0"}))
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, RESULT, b""), outcome


def kill_descendants(pid: int) -> None:
    """Kills what a process has started, and waits for its end. What has been killed may stay as a
    zombie, which the process that is looked at has to reap.
    """
    found = descendants(pid)
    assert found
    for descendant in found:
        os.kill(descendant, signal.SIGKILL)
        processes.wait_for_end([descendant])


def descendants(pid: int) -> list[int]:
    """The youngest first."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    children = [int(child) for child in text.split()]
    return [found for child in children for found in (*descendants(child), child)]


@pytest.mark.parametrize(
    "stage",
    [
        "it says what the imports did",
        "it is told to stand still",
        "its memory is surveyed",
        "its contents are written",
        "the rehearsal is watched",
        "its contents are written again",
    ],
)
def test_interpreter_that_is_killed(starter, script, stage):
    """The interpreter that is frozen, and the one that rehearses, are killed: there is no image of
    half a process.
    """
    which = FREEZE[stage]
    outcome = freeze(
        starter, script, Fault(which.match, meanwhile=kill_descendants, skip=which.skip)
    )
    assert outcome.status == 121 and outcome.errors().startswith("error: "), outcome
    assert starter.images() == []
    starter.wait_until_idle()
    aftermath.require_no_remains(starter)
    aftermath.require_recovery(starter, script, RESULT)


REMOVALS = {
    "removed": shutil.rmtree,
    "emptied": lambda cache: [shutil.rmtree(entry) for entry in cache.iterdir()],
    "replaced": lambda cache: (cache.rename(cache.with_name("old")), cache.mkdir(mode=0o700)),
}


@pytest.mark.parametrize("page", [2, 20])
def test_interpreter_that_is_killed_while_it_is_copied(starter, script, page):
    """What cannot be read any more must not become zeros in an image that is published."""
    fault = Fault(
        after(REHEARSAL, calls("pwrite64", path="images/.new-")),
        meanwhile=kill_descendants,
        skip=page,
    )
    outcome = freeze(starter, script, fault)
    assert outcome.status == 121 and outcome.errors().startswith("error: "), outcome
    assert starter.images() == []
    starter.wait_until_idle()
    aftermath.require_no_remains(starter)
    aftermath.require_recovery(starter, script, RESULT)


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize(
    "stage", ["the image is begun", "its contents are written", "it gets its name"]
)
def test_cache_that_vanishes_from_a_freezer(starter, script, stage, removal):
    which = FREEZE[stage]
    fault = Fault(which.match, meanwhile=lambda _: REMOVALS[removal](starter.cache))
    outcome = freeze(starter, script, fault)
    assert outcome.status in (0, 121), outcome
    shutil.rmtree(starter.cache.with_name("old"), ignore_errors=True)
    aftermath.require_recovery(starter, script, RESULT)


def test_starts_beside_a_freezer(starter, script):
    """While one freezer writes, starts of the same program are plain and start no other, and
    another program is frozen.
    """
    other = write(starter.folder / "project" / "other.py", SCRIPT)

    def start_others(pid: int) -> None:
        before = {*processes.bearing(starter.mark)}
        way, outcome = starter.explained(script)
        assert way.startswith("plain") and outcome.stdout == RESULT, (way, outcome)
        assert {*processes.bearing(starter.mark)} <= before
        assert starter.freeze(other).status == 0

    which = FREEZE["its contents are written"]
    assert freeze(starter, script, Fault(which.match, meanwhile=start_others)).status == 0
    for program in (script, other):
        aftermath.require_recovery(starter, program, RESULT)


def test_two_freezers(starter, script):
    """Two that were asked to make the same image take turns."""
    starter.fresh_work()
    command = starter.command("freeze", "--python", starter.python, "--", script)
    both = [subprocess.Popen(command, env=starter.env, cwd=starter.work) for _ in range(2)]
    assert [freezer.wait(timeout=120) for freezer in both] == [0, 0]
    assert len(starter.images()) == 1
    aftermath.require_recovery(starter, script, RESULT)


def test_freezer_with_little_memory(starter, script):
    """Under a limit of the address space: an image, or a message, and no remains."""
    statuses = set()
    for megabytes in (18, 24, 40, 1000):

        def limit(size: int = megabytes << 20) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (size, size))

        outcome = starter.freeze(script, conditions=Conditions(prepare=limit))
        statuses.add(outcome.status)
        assert outcome.status in (0, 121, 122, 127), (megabytes, outcome)
        assert bool(outcome.stderr) == (outcome.status != 0), (megabytes, outcome)
        aftermath.require_whole_images(starter)
        aftermath.require_no_remains(starter)
        starter.execute("images", "remove", "--all")
    assert 0 in statuses and len(statuses) > 1, statuses
    aftermath.require_recovery(starter, script, RESULT)


# What a call of the launcher or the restorer may fail with.
ERRORS = {
    "openat": ["ENOENT", "EMFILE", "EACCES"],
    "open": ["EMFILE", "EACCES"],
    "fstat": ["EIO"],
    "newfstatat": ["EIO"],
    "statx": ["EIO"],
    "read": ["EIO"],
    "pread64": ["EIO"],
    "preadv2": ["EIO", "EAGAIN"],
    "mmap": ["ENOMEM", "EPERM"],
    "mprotect": ["EACCES", "ENOMEM"],
    "madvise": ["EINVAL"],
    "fcntl": ["EINVAL"],
    "getcwd": ["ENOENT"],
    "prctl": ["EPERM"],
    "utimensat": ["EROFS"],
    "getrandom": ["EAGAIN"],
    "readlinkat": ["EACCES"],
    "rseq": ["EPERM"],
    "write": ["ENOSPC"],
}


def is_restorer(call: Call) -> bool:
    return call.program == "glowplug-thaw"


def is_jump(call: Call) -> bool:
    """The last that the restorer does is to unmap the tables; before, it unmaps the head alone."""
    return is_restorer(call) and call.name == "munmap" and call.arguments[1] > images.HEAD_LEN


def thaw(starter, script, *faults: Fault, log: list[Call] | None = None) -> Outcome:
    """A start that makes no image and counts itself."""
    words = ["run", "--python", starter.python, script]
    env = {"GLOWPLUG_FREEZE": "0", "GLOWPLUG_RENEW_AFTER_THAWS": "99"}
    return traced(starter, *words, faults=faults, log=log, until=is_jump, env=env)


def samples(log: list[Call]) -> list[Call]:
    """Of the calls of each kind the first, one in the middle, and the last. What comes before the
    working folder is asked for is the business of the C library.
    """
    began = next(call.index for call in log if call.name == "getcwd")
    kinds: dict[tuple[str, str], list[Call]] = {}
    for call in log[began:]:
        kinds.setdefault((call.program, call.name), []).append(call)
    chosen = {}
    for (_, name), found in kinds.items():
        if name in ERRORS:
            for call in (found[0], found[len(found) // 2], found[-1]):
                chosen[call.index] = call
    return [chosen[index] for index in sorted(chosen)]


def nth_of_its_kind(log: list[Call], call: Call) -> int:
    kind = (call.program, call.name)
    return sum((other.program, other.name) == kind for other in log[: call.index])


@pytest.mark.parametrize("program", ["launcher", "restorer"])
def test_thaw_that_meets_an_error(starter, script, program):
    """Whichever system call fails before the jump, the program runs: thawed where the call did not
    matter, plainly otherwise.
    """
    assert starter.freeze(script).status == 0
    log: list[Call] = []
    assert thaw(starter, script, log=log).stdout == RESULT
    chosen = [call for call in samples(log) if is_restorer(call) == (program == "restorer")]
    assert len(chosen) > 10
    for call in chosen:
        kind = (call.program, call.name)
        for error in ERRORS[call.name]:
            fault = Fault(
                lambda other, kind=kind: (other.program, other.name) == kind,
                error=error,
                skip=nth_of_its_kind(log, call),
            )
            outcome = thaw(starter, script, fault)
            assert fault.hits, (call, error)
            good = (outcome.status, outcome.stdout, outcome.stderr) == (0, RESULT, b"")
            assert good, (call, error, outcome)
    starter.wait_until_idle()
    aftermath.require_recovery(starter, script, RESULT)


@pytest.mark.parametrize("name", ["mmap", "mprotect", "madvise"])
def test_restorer_to_which_all_is_refused(starter, script, name):
    """No memory at all, a cache that is mounted noexec, a kernel without an advice."""
    assert starter.freeze(script).status == 0
    fault = Fault(
        lambda call: is_restorer(call) and call.name == name,
        error={"mmap": "ENOMEM", "mprotect": "EACCES", "madvise": "EINVAL"}[name],
        lasting=True,
    )
    outcome = thaw(starter, script, fault)
    assert fault.hits and (outcome.status, outcome.stdout, outcome.stderr) == (0, RESULT, b"")


def test_start_that_is_killed(starter, script):
    """Wherever a start is killed, nothing is left and the next one is thawed."""
    assert starter.freeze(script).status == 0
    log: list[Call] = []
    thaw(starter, script, log=log)
    (before,) = (path.read_bytes() for path in starter.images())
    for call in log[: -3 : max(1, len(log) // 24)]:
        fault = Fault(lambda other, index=call.index: other.index == index, kill=True)
        assert thaw(starter, script, fault).status == -signal.SIGKILL
    starter.wait_until_idle()
    (after,) = (path.read_bytes() for path in starter.images())
    assert after == before
    aftermath.require_recovery(starter, script, RESULT)


def test_interrupt_while_the_restorer_works(starter, script):
    """Once the frozen process's handlers are in force, all that they use has to be there."""
    assert starter.freeze(script).status == 0
    log: list[Call] = []
    thaw(starter, script, log=log)
    calls_of_it = [call for call in log if is_restorer(call)]
    handlers = [call for call in calls_of_it if call.name == "rt_sigaction"]
    chosen = {call.index: call for call in [*handlers[:8], *handlers[8::16], *calls_of_it[-12:-3]]}
    assert len(chosen) > 16
    for call in chosen.values():
        fault = Fault(
            lambda other, kind=call.name: is_restorer(other) and other.name == kind,
            meanwhile=lambda pid: os.kill(pid, signal.SIGINT),
            skip=nth_of_its_kind(log, call),
        )
        outcome = thaw(starter, script, fault)
        assert fault.hits and outcome.status == -signal.SIGINT, (call, outcome)


def test_first_start_that_is_killed(starter, script):
    """Before it has become the program: a freezer that it has started ends by itself."""
    words = ["run", "--python", starter.python, script]
    log: list[Call] = []
    outcome = traced(starter, *words, log=log, until=calls("execve", ends="python3"))
    assert outcome.stdout == RESULT
    starter.wait_until_idle()
    shutil.rmtree(starter.cache)
    began = next(call.index for call in log if call.name == "getcwd")
    for call in log[began :: max(1, (len(log) - began) // 12)]:
        fault = Fault(lambda other, index=call.index: other.index == index, kill=True)
        assert traced(starter, *words, faults=[fault]).status == -signal.SIGKILL
        starter.wait_until_idle()
        aftermath.require_whole_images(starter)
        shutil.rmtree(starter.cache, ignore_errors=True)
    aftermath.require_recovery(starter, script, RESULT)


SWAPS = ["by garbage", "by nothing", "by another program's", "by a truncated one"]


@pytest.mark.parametrize("swap", SWAPS)
def test_image_that_is_swapped(starter, script, swap):
    """Whenever the file of the name is replaced between two system calls, what was opened and
    checked is what is thawed.
    """
    other = write(
        starter.folder / "project" / "other.py", "import json\nimport wave\nprint('other')\n"
    )
    assert starter.freeze(other).status == 0
    (image_of_other,) = starter.images()
    foreign = image_of_other.read_bytes()
    assert starter.freeze(script).status == 0
    (image,) = (path for path in starter.images() if path != image_of_other)
    good = image.read_bytes()
    kept = starter.folder / "kept.image"
    image.rename(kept)

    def put_back() -> None:
        image.unlink(missing_ok=True)
        shutil.copy2(kept, image)

    def swapped(_: int) -> None:
        image.unlink(missing_ok=True)
        if swap == "by garbage":
            image.write_bytes(b"not an image" * 1000)
        elif swap == "by another program's":
            image.write_bytes(foreign)
        elif swap == "by a truncated one":
            image.write_bytes(good[: len(good) // 2])
        if image.exists():
            image.chmod(0o600)

    put_back()
    log: list[Call] = []
    assert thaw(starter, script, log=log).stdout == RESULT
    opened = next(call.index for call in log if call.name == "openat" and ".image" in call.path)
    # Two starts may differ by a call or two: not every one has as many as the log.
    chosen = [log[opened - 1], *log[opened : -3 : max(1, (len(log) - opened) // 12)]]
    for call in chosen:
        put_back()
        fault = Fault(lambda other, index=call.index: other.index == index, meanwhile=swapped)
        outcome = thaw(starter, script, fault)
        assert fault.hits and outcome.stdout == RESULT and outcome.status == 0, (call, outcome)
    put_back()
    aftermath.require_recovery(starter, script, RESULT)


def test_clocks_that_jump(starter, script):
    """Images and sources from the future and from the distant past."""
    project = script.parent
    write(project / "mine.py", "VALUE = 1\n")
    write(script, "import mine\n" + SCRIPT)
    for moment in (0, 1, 4_000_000_000):
        os.utime(project / "mine.py", (moment, moment))
        settle()
        for _ in range(2):
            outcome = starter.start(script)
            assert (outcome.status, outcome.stdout) == (0, RESULT), (moment, outcome)
            starter.wait_until_idle()
        for path in starter.images():
            for time in (0, 4_000_000_000):
                os.utime(path, (time, time))
                outcome = starter.start(script)
                assert (outcome.status, outcome.stdout) == (0, RESULT), (moment, outcome)
                starter.wait_until_idle()
        assert starter.execute("images", "list").status == 0
    os.utime(project / "mine.py")
    settle()
    aftermath.require_recovery(starter, script, RESULT)
