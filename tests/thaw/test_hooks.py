"""Hooks: called around the freeze and the thaw, through `glowplug` and AWS's package alike, and
never in a plain start.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness import images
from harness.build import ROOT
from harness.clock import write
from harness.running import Conditions

# What AWS's snapshot_restore_py 1.0 offers, as its documentation describes it.
AWS = """\
_before_snapshot_registry = []
_after_restore_registry = []

def register_before_snapshot(func, *args, **kwargs):
    _before_snapshot_registry.append((func, args, kwargs))
    return func

def register_after_restore(func, *args, **kwargs):
    _after_restore_registry.append((func, args, kwargs))
    return func

def get_before_snapshot():
    return _before_snapshot_registry

def get_after_restore():
    return _after_restore_registry
"""


@pytest.fixture
def hooked(starter):
    """Makes a program `main.py` that imports `hooked`, with the thin package on its path."""

    def make(module: str, main: str = "", aws: str = AWS) -> tuple[Path, Conditions]:
        project = starter.folder / "project"
        write(project / "snapshot_restore_py.py", aws)
        write(project / "hooked.py", textwrap.dedent(module))
        program = "import hooked\n" + (textwrap.dedent(main) or "print(hooked.LOG)\n")
        script = write(project / "main.py", program)
        return script, Conditions(env={"PYTHONPATH": str(ROOT / "python")})

    return make


BOTH = """\
    import glowplug
    import snapshot_restore_py as aws

    LOG = []

    @glowplug.before_freeze
    def first():
        LOG.append("before 1")

    glowplug.before_freeze(LOG.append, "before 2")
    aws.register_before_snapshot(LOG.append, "before 3")
    aws.register_before_snapshot(LOG.append, "before 4")

    @glowplug.after_thaw
    def last():
        LOG.append("after 1")

    glowplug.after_thaw(LOG.extend, iter(["after 2"]))

    @aws.register_after_restore
    def restored(what="after 3"):
        LOG.append(what)

    aws.register_after_restore(restored, what="after 4")
    """


def test_order_and_arguments(hooked, each_starter, built):
    """Before the freeze in reverse, after the thaw in order; in a plain start not at all."""
    script, how = hooked(BOTH)
    assert each_starter.plain(script, conditions=how).text() == "[]\n"
    assert each_starter.freeze(script, conditions=how).status == 0
    thawed = each_starter.start(script, via="thaw", conditions=how)
    before = [f"before {n}" for n in (4, 3, 2, 1)]
    after = [f"after {n}" for n in (1, 2, 3, 4)]
    assert thawed.text() == f"{before + after}\n", thawed


def test_real_package_of_aws(hooked, starter, built, tmp_path_factory):
    """The registrations are found in the package that AWS publishes, too."""
    folder = tmp_path_factory.mktemp("aws")
    command = [starter.python, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, "snapshot_restore_py==1.0.0"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("needs snapshot_restore_py from a package index")
    source = (folder / "snapshot_restore_py.py").read_text()
    script, how = hooked(BOTH, aws=source)
    assert starter.freeze(script, conditions=how).status == 0
    thawed = starter.start(script, via="thaw", conditions=how)
    assert "'before 4', 'before 3'" in thawed.text() and "'after 3', 'after 4'" in thawed.text()


def test_hooks_may_close_and_open_what_no_image_holds(hooked, starter, built):
    """A descriptor and a thread that would be refused: closed before the freeze, made anew after
    the thaw.
    """
    module = """\
        import threading
        import glowplug

        @glowplug.after_thaw
        def begin():
            global FILE, GATE, THREAD
            FILE = open(__file__)
            GATE = threading.Event()
            THREAD = threading.Thread(target=GATE.wait)
            THREAD.start()

        @glowplug.before_freeze
        def end():
            FILE.close()
            GATE.set()
            THREAD.join()

        begin()
        """
    main = """\
        print(hooked.FILE.readline(), hooked.THREAD.is_alive())
        hooked.GATE.set()
        hooked.THREAD.join()
        """
    script, how = hooked(module, main)
    starter.both(script, conditions=how, expect=0)


def test_what_hooks_print(hooked, starter, built):
    """What a hook prints in the freezer is nobody's business; after the thaw it is the program's
    output. What imports print keeps them apart all the same.
    """
    module = """\
        import ctypes
        import glowplug

        glowplug.before_freeze(print, "in the freezer")
        glowplug.before_freeze(ctypes.CDLL(None).puts, b"by C in the freezer")
        glowplug.after_thaw(print, "thawed")
        """
    script, how = hooked(module, "print('main')\n")
    assert starter.freeze(script, conditions=how).status == 0
    assert starter.start(script, via="thaw", conditions=how).text() == "thawed\nmain\n"
    write(script.parent / "hooked.py", textwrap.dedent(module) + "print('by the import')\n")
    starter.both(script, conditions=how, expect=0)
    assert starter.freeze(script, conditions=how).status == 0
    newest = max(starter.images(), key=lambda path: path.stat().st_mtime_ns)
    (kept,) = images.read(newest).meta["apart"]
    assert kept == {"module": "hooked", "cause": "prints"}


def test_hook_reads_are_inputs(hooked, starter, built):
    """A variable that a hook reads selects the image, and a file that it reads is an input."""
    module = """\
        import os
        import pathlib
        import glowplug

        SEEN = []

        @glowplug.before_freeze
        def look():
            SEEN[:] = [os.environ.get("MODE"), pathlib.Path(__file__).with_name("data").read_text()]
        """
    script, how = hooked(module, "print('main')\n")
    data = write(script.parent / "data", "one")
    starter.becomes_thawed(script, conditions=how)
    other = Conditions(env={**how.env, "MODE": "other"})
    assert starter.explained(script, conditions=other)[0].startswith("plain: ")
    starter.wait_until_idle()
    write(data, "two!")
    way, _ = starter.explained(script, conditions=how)
    assert way.startswith("plain: ") and "data" in way, way


@pytest.mark.parametrize("register", ["glowplug.before_freeze", "aws.register_before_snapshot"])
def test_hook_that_raises_before_the_freeze(hooked, starter, built, register):
    """There is no image, and who raised what is told with the traceback."""
    module = f"""\
        import glowplug
        import snapshot_restore_py as aws

        def helper():
            raise ValueError("not now")

        @{register}
        def close_everything():
            helper()
        """
    script, how = hooked(module, "print('main')\n")
    for _ in range(2):
        outcome = starter.start(script, conditions=how)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b"main\n", b"")
        starter.wait_until_idle()
    (image,) = starter.images()
    assert images.read(image).is_refusal
    way, _ = starter.explained(script, conditions=how)
    assert "before_freeze hook `hooked.close_everything` raises ValueError: not now" in way, way
    refused = starter.freeze(script, conditions=how)
    said = refused.errors()
    assert refused.status == 122 and "hooked.close_everything" in said, refused
    lines = said.splitlines()
    traceback = lines.index("Traceback (most recent call last):")
    assert "hooked.py" in lines[traceback + 1] and "close_everything" in lines[traceback + 1]
    assert "ValueError: not now" in lines
    write(script.parent / "hooked.py", "")
    starter.start(script, conditions=how)
    starter.wait_until_idle()
    assert starter.explained(script, conditions=how)[0].startswith("thawed")


FAILING = """\
    import os
    import signal
    import glowplug

    @glowplug.after_thaw
    def reconnect():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        print("this line is lost")
        {body}
    """


@pytest.mark.parametrize(
    "body", ["1 / 0", "raise SystemExit(3)", "import no_such_module", "raise GeneratorExit"]
)
def test_hook_that_raises_after_the_thaw(hooked, starter, built, body):
    """The program is started plainly: as it would be if there were no image."""
    main = """\
        import os, signal, sys
        print(sys.stdin.read(), sys.argv, sys.orig_argv, os.environ["ANSWER"])
        print([n for n in range(1, 65) if n not in (32, 33) and
               signal.getsignal(n) == signal.SIG_IGN], "GLOWPLUG_THAW" in os.environ)
        with open("/proc/self/status") as status:
            # SigQ counts the signals that wait for all processes of the user.
            names = ("SigP", "SigB", "SigI", "SigC", "Shd", "Threads")
            print([line for line in status if line.startswith(names)])
        sys.exit(7)
        """
    script, how = hooked(FAILING.format(body=body), main)
    env = {**how.env, "ANSWER": "42"}
    assert starter.freeze(script, conditions=how).status == 0

    def ignore() -> None:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    start = Conditions(stdin=b"input", env=env, prepare=ignore)
    plain = starter.plain(script, "a b", conditions=start)
    assert plain.status == 7
    outcome = starter.start(script, "a b", conditions=start)
    assert (outcome.status, outcome.text(), outcome.errors()) == (7, plain.text(), "")
    explained = starter.start(script, "a b", explain=True, conditions=start)
    assert explained.stdout == plain.stdout and explained.status == 7
    assert "glowplug: plain: the after_thaw hook `hooked.reconnect` raises" in explained.errors()
    assert "Traceback" in explained.errors()
    forced = starter.start(script, via="thaw", conditions=start)
    assert forced.status == 124 and forced.stdout == b"", forced
    assert "hooked.reconnect" in forced.errors() and "Traceback" in forced.errors()


def test_interrupt_during_a_hook(hooked, starter, built):
    """Ctrl-C while a hook runs ends the program, as it does while imports run."""
    body = "os.kill(os.getpid(), signal.SIGINT); [None for _ in range(10**6)]"
    script, how = hooked(FAILING.format(body=body), "print('not reached')\n")
    assert starter.freeze(script, conditions=how).status == 0
    outcome = starter.start(script, via="thaw", conditions=how)
    assert outcome.status == -signal.SIGINT and b"not reached" not in outcome.stdout
    assert outcome.errors().rstrip().endswith("KeyboardInterrupt"), outcome


def test_late_registrations_are_inert(hooked, starter, built):
    """The program itself runs after the thaw: what it registers is never called."""
    main = """\
        import glowplug
        glowplug.before_freeze(print, "never")
        glowplug.after_thaw(print, "never")
        print("main")
        """
    script, how = hooked("", main)
    starter.both(script, conditions=how, expect=0)


def test_package_is_found_as_by_plain_python(starter, built):
    """Glowplug puts nothing on sys.path: where the package is not installed it is not found."""
    script = write(
        starter.folder / "main.py",
        "import json\ntry:\n    import glowplug\nexcept ImportError as error:\n"
        "    print(json.dumps(str(error)))\n",
    )
    plain = starter.both(script)
    assert plain.text() == "\"No module named 'glowplug'\"\n"


def test_shim_on_its_own(starter, tmp_path):
    """The package alone: decorators give back the function, nothing is called, bad hooks are named,
    and next to nothing is imported.
    """
    program = """\
        import sys
        before = set(sys.modules)
        import glowplug
        print(sorted(set(sys.modules) - before))

        @glowplug.before_freeze
        @glowplug.after_thaw
        def hook():
            raise SystemError

        assert glowplug.before_freeze(hook, 1, a=2) is hook
        try:
            glowplug.after_thaw(None)
        except TypeError as error:
            print(error)
        try:
            glowplug.nothing
        except AttributeError as error:
            print(error)
        """
    script = write(tmp_path / "shim.py", textwrap.dedent(program))
    how = Conditions(env={"PYTHONPATH": str(ROOT / "python")})
    outcome = starter.plain("-S", script, conditions=how)
    assert outcome.text().splitlines() == [
        "['glowplug', 'glowplug.hooks']",
        "a hook must be callable, not 'NoneType'",
        "module 'glowplug' has no attribute 'nothing'",
    ], outcome


def test_shim_has_the_version_of_the_command():
    """The package is also a distribution of its own; its version is the workspace's."""
    if sys.version_info < (3, 11):
        pytest.skip("needs tomllib (Python 3.11)")
    import tomllib

    shim = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert shim["project"]["version"] == workspace["workspace"]["package"]["version"]
