"""The course of things: a recorded start, an image made behind it, thawed starts from then on."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from harness import images, processes
from harness.clock import write
from harness.starting import require_same

SCRIPT = (
    "import json\nimport email.message\nimport sys\n"
    "print(json.dumps(sys.argv[1:]), email.message.Message)\n"
)


@pytest.mark.core
def test_second_start_is_thawed(each_starter, built):
    script = write(each_starter.folder / "main.py", SCRIPT)
    way, first = each_starter.explained(script, "a")
    assert way.startswith("plain: "), way
    each_starter.wait_until_idle()
    way, second = each_starter.explained(script, "b")
    assert way.startswith("thawed "), way
    assert first.status == second.status == 0
    assert second.stdout == first.stdout.replace(b'"a"', b'"b"')
    assert (first.stderr, second.stderr) == (b"", b"")
    (path,) = each_starter.images()
    assert {"json", "json.decoder", "email.message"} <= set(images.read(path).meta["modules"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert each_starter.cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.core
def test_recorded_start_is_plain_python(each_starter, built):
    """The start that is recorded shows nothing of it: variables, descriptors, modules, children."""
    script = write(
        each_starter.folder / "main.py",
        "import json\nimport os\nimport subprocess\nimport sys\n"
        "print(sorted(os.environ), sorted(os.listdir('/proc/self/fd')))\n"
        "print(json.dumps(sorted(sys.modules)))\n"
        "print(open('/proc/self/environ').read().rstrip('\\0').split('\\0'))\n"
        "print(subprocess.check_output(['env']).decode())\n"
        "print(getattr(sys, 'orig_argv', None), sys.executable)\n"
        "print(open('/proc/self/cmdline').read(), open('/proc/self/comm').read())\n",
    )
    plain = each_starter.plain(script)
    recorded = each_starter.start(script)
    require_same(plain, recorded)


def test_nobody_waits_for_the_freezer(starter, built):
    """The freezer is in a session of its own, and the first start's pipes close without it."""
    script = write(starter.folder / "main.py", SCRIPT)
    assert starter.start(script).status == 0
    for pid in processes.bearing(starter.mark):
        with suppress(OSError):
            assert os.getsid(pid) != os.getsid(0)
    starter.wait_until_idle()
    assert len(starter.images()) == 1


def test_editing_the_body_keeps_the_image(starter, built):
    script = write(starter.folder / "main.py", SCRIPT)
    starter.becomes_thawed(script)
    write(script, SCRIPT + "print('more')\n")
    way, outcome = starter.explained(script)
    assert way.startswith("thawed") and outcome.stdout.endswith(b"more\n")


def test_via_plain_and_via_thaw(starter, built):
    """`--via plain` never thaws; `--via thaw` without an image is an error of its own, and freezes
    nothing.
    """
    script = write(starter.folder / "main.py", SCRIPT)
    forced = starter.start(script, via="thaw")
    assert forced.status == 124 and forced.stdout == b"" and b"image" in forced.stderr
    assert starter.start(script, via="plain").status == 0
    starter.wait_until_idle()
    assert starter.images() == []
    starter.becomes_thawed(script)
    outcome = starter.start(script, via="plain", explain=True)
    assert outcome.errors().startswith("glowplug: plain:")


def test_racing_first_starts_make_one_image(starter, built):
    """Sixteen first starts at once: each prints what it must, one freezer works, one image comes
    to be.
    """
    script = write(starter.folder / "main.py", SCRIPT)
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, script, "x")
    running = [
        subprocess.Popen(
            command,
            env=starter.env,
            cwd=starter.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(16)
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        assert out.startswith(b'["x"]')
    starter.wait_until_idle()
    assert len(starter.images()) == 1
    assert starter.explained(script)[0].startswith("thawed")


def test_sixteen_side_by_side(starter, built):
    """Sixteen thaws of one image at once, several rounds, with address randomisation on."""
    script = write(
        starter.folder / "main.py",
        SCRIPT + "sys.stdin.readline()\nprint(sum(json.loads(json.dumps(list(range(1000))))))\n",
    )
    starter.ensure_frozen(script)
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, "--via", "thaw", script)
    for _ in range(4):
        running = [
            subprocess.Popen(
                [*command, str(n)],
                env=starter.env,
                cwd=starter.work,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for n in range(16)
        ]
        for n, process in enumerate(running):
            out, err = process.communicate(b"go\n", timeout=60)
            assert (process.returncode, err) == (0, b"")
            assert out.startswith(f'["{n}"]'.encode()) and out.endswith(b"499500\n")


@pytest.mark.soak
def test_a_thousand_thaws(starter, built):
    """A thousand thaws in a row, two at a time, none wrong."""
    script = write(starter.folder / "main.py", SCRIPT)
    starter.ensure_frozen(script)
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, "--via", "thaw", script)

    def once(n: int) -> tuple[int, int, bytes, bytes]:
        done = subprocess.run(
            [*command, str(n)],
            env=starter.env,
            cwd=starter.work,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return n, done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(2) as pool:
        for n, status, out, err in pool.map(once, range(1000)):
            assert (status, err) == (0, b""), (n, status, out, err)
            assert out == f"[\"{n}\"] <class 'email.message.Message'>\n".encode()


def test_image_made_by_a_thawed_program(starter, built):
    """A thawed program freezes another and thaws it: the second image has nothing of the first."""
    other = write(starter.folder / "other.py", SCRIPT)
    write(
        starter.folder / "maker.py",
        "import json\nimport os\nimport subprocess\nimport sys\n"
        "glowplug, other, cache = sys.argv[1:]\n"
        "env = {**os.environ, 'GLOWPLUG_CACHE_DIR': cache}\n"
        "def call(*words):\n"
        "    done = subprocess.run([glowplug, *words], env=env, capture_output=True, text=True)\n"
        "    print(json.dumps([done.returncode, done.stdout, done.stderr]))\n"
        "call('freeze', '--python', sys.executable, '--', other)\n"
        "call('run', '--python', sys.executable, '--via', 'thaw', other, 'second generation')\n",
    )
    maker = starter.folder / "maker.py"
    starter.ensure_frozen(maker)
    words = (maker, str(starter.glowplug), other, starter.cache / "second")
    (starter.cache / "second").mkdir(mode=0o700)
    outcome = starter.start(*words, via="thaw")
    assert outcome.status == 0, outcome.errors()
    last = outcome.text().splitlines()[-1]
    assert last.startswith("[0, ") and "second generation" in last, outcome.text()
