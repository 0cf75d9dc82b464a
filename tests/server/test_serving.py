"""A server's life: started on demand or on purpose, told about, stopped; and its end by itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from harness import processes
from harness.clock import settle, write
from harness.running import Conditions, run
from harness.serving import report, reports, sockets, until, until_ready

HERE = Path(__file__).parent
HELLO = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd()]))\nsys.exit(3)\n"


@pytest.fixture
def script(starter) -> Path:
    return write(starter.folder / "program" / "hello.py", HELLO)


@pytest.mark.both_ways
def test_a_server_is_started_on_demand_once(starter, script):
    settle()
    for _ in range(3):
        outcome = starter.start(script, "a", via=starter.way)
        assert outcome.status == 3 and b'"a"' in outcome.stdout, outcome
    found = report(starter)
    assert found["started_forked"] + found["started_ready"] == 3
    assert "json" in found["preload"]


def test_starts_at_the_same_time_share_one_server(starter, script):
    settle()
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, "--via", starter.way, script)
    all_at_once = [
        subprocess.Popen(command, env=starter.env, cwd=starter.work, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for process in all_at_once:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 3 and output
    assert len(reports(starter)) == 1


def test_the_pool_is_kept_full(starter, script):
    starter.fresh_work()
    outcome = starter.execute(
        "serve", "--python", starter.python, "--pool", "2", "--", script, conditions=Conditions()
    )
    assert outcome.status == 0, outcome.errors()
    for _ in range(3):
        until_ready(starter, 2)
        way, outcome = starter.explained_by("pool", script)
        assert outcome.status == 3 and way.startswith("started from a ready spare"), way


def test_status_and_stop(starter, script):
    starter.prepare(script)
    found = report(starter)
    for pid in (found["server"], found["template"]):
        assert processes.runs(pid)
    text = starter.execute("status").text()
    assert str(found["template"]) in text and "json" in text
    starter.stop()
    processes.wait_for_end([found["server"], found["template"]])
    assert reports(starter) == [] and sockets(starter) == []
    assert starter.execute("status").text() == "no server is running\n"


def test_stop_ends_programs(starter):
    script = write(
        starter.folder / "program" / "waits.py",
        "import json, sys, time\nprint('ready', flush=True)\nsys.stdin.read()\n",
    )
    starter.prepare(script)

    def stop(process):
        line = process.stdout.readline()
        starter.stop()
        return line, b""

    outcome = starter.start(script, via=starter.way, conditions=Conditions(during=stop))
    assert outcome.status == -9


@pytest.mark.both_ways
def test_edited_code_is_never_served_stale(starter):
    module = write(starter.folder / "program" / "helper.py", "VALUE = 1\n")
    script = write(starter.folder / "program" / "main.py", "import helper\nprint(helper.VALUE)\n")
    # Of another length each time: within a second, plain Python takes old bytecode for new.
    for value in (22, 333, 4444, 55555):
        starter.both(script, expect=0)
        before = report(starter)["server"]
        module.write_text(f"VALUE = {value}\n")
        # The very next start, without a pause.
        assert starter.start(script, via=starter.way).text() == f"{value}\n"
        processes.wait_for_end([before])


def test_a_server_whose_inputs_change_ends_by_itself(starter):
    module = write(starter.folder / "program" / "helper.py", "VALUE = 1\n")
    script = write(starter.folder / "program" / "main.py", "import helper\nprint(helper.VALUE)\n")
    starter.prepare(script)
    found = report(starter)
    module.write_text("VALUE = 2\n")
    processes.wait_for_end([found["server"], found["template"]])
    assert sockets(starter) == []


def test_a_program_that_runs_is_left_alone_when_inputs_change(starter):
    module = write(starter.folder / "program" / "helper.py", "VALUE = 1\n")
    script = write(
        starter.folder / "program" / "main.py",
        "import helper, sys\nprint('ready', flush=True)\nprint(sys.stdin.read(), helper.VALUE)\n",
    )
    starter.prepare(script)

    def edit(process):
        line = process.stdout.readline()
        module.write_text("VALUE = 2\n")
        until(lambda: not sockets(starter), "the server takes clients still")
        process.stdin.write(b"go on")
        process.stdin.close()
        return line, b""

    outcome = starter.start(script, via=starter.way, conditions=Conditions(during=edit))
    assert outcome.status == 0 and outcome.text().endswith("go on 1\n")


def test_an_idle_server_ends(starter, script):
    starter.fresh_work()
    words = ["serve", "--python", starter.python, "--idle", "1s", "--", script]
    assert starter.execute(*words).status == 0
    found = report(starter)
    processes.wait_for_end([found["server"], found["template"]])
    assert sockets(starter) == []


def test_a_set_serves_any_program(starter):
    starter.fresh_work()
    words = ["serve", "--python", starter.python, "--preload", "json,decimal", "--set", "numbers"]
    assert starter.execute(*words).status == 0
    again = starter.execute(*words)
    assert again.status == 0 and len(reports(starter)) == 1, "a set is served once"
    for code in ("1", "2"):
        program = f"import sys; print('decimal' in sys.modules, {code}, __name__, sys.argv)"
        words = ["run", "--python", starter.python, "--via", starter.way, "--set", "numbers"]
        outcome = starter.execute(*words, "-c", program, "x")
        assert outcome.text() == f"True {code} __main__ ['-c', 'x']\n", outcome
    found = report(starter)
    assert found["started_forked"] + found["started_ready"] == 2
    missing = starter.execute("run", "--via", starter.way, "--set", "other", "-c", "pass")
    assert missing.status == 124 and "no server is running" in missing.errors()


def test_sets_of_the_settings_are_served_on_demand(starter):
    settings = starter.folder / "program" / "glowplug.toml"
    script = write(
        starter.folder / "program" / "main.py",
        "import sys\nprint('decimal' in sys.modules, 'fractions' in sys.modules)\n",
    )
    settings.write_text(
        '[sets.numbers]\npreload = ["decimal"]\n[sets.default]\npreload = ["fractions"]\npool = 1\n'
    )
    words = ["run", "--python", starter.python, "--via", starter.way]
    for _ in range(2):
        assert starter.execute(*words, "--set", "numbers", script).text() == "True False\n"
        assert starter.execute(*words, script).text() == "True True\n"
    assert len(reports(starter)) == 2


def test_auto_prefers_a_ready_spare(starter, script):
    starter.fresh_work()
    words = ["serve", "--python", starter.python, "--pool", "1", "--", script]
    assert starter.execute(*words).status == 0
    until_ready(starter, 1)
    way, outcome = starter.explained(script)
    assert way.startswith("started from a ready spare") and outcome.status == 3


def test_auto_forks_what_cannot_be_frozen(starter):
    script = write(
        starter.folder / "program" / "main.py",
        "import reader\nprint(reader.LENGTH)\n",
    )
    write(
        starter.folder / "program" / "reader.py",
        "import os\nLENGTH = len(os.environ['SERVICE_API_TOKEN'])\n",
    )
    how = Conditions(env={"SERVICE_API_TOKEN": "hf_0123456789abcdefghijABCDEFGHIJ0123"})
    assert starter.freeze(script, conditions=how).status == 122
    starter.prepare(script, conditions=how)
    way, outcome = starter.explained(script, conditions=how)
    assert way.startswith("started ") and outcome.text() == "37\n"


def test_in_the_foreground(starter, script):
    starter.fresh_work()
    words = ["serve", "--python", starter.python, "--foreground", "--", script]
    server = subprocess.Popen(starter.command(*words), env=starter.env, cwd=starter.work)
    try:
        until(lambda: bool(sockets(starter)), "nothing is served")
        assert starter.start(script, via=starter.way).status == 3
    finally:
        server.terminate()
        assert server.wait(30) == 0
    assert sockets(starter) == []


def test_a_server_outlives_its_terminal(starter, script):
    """The session of the first client ends, and all that belongs to it with it."""
    settle()
    starter.fresh_work()
    words = starter.command("run", "--python", starter.python, "--via", starter.way, script)
    first = subprocess.Popen(words, env=starter.env, cwd=starter.work, start_new_session=True)
    assert first.wait(60) == 3
    with pytest.raises(ProcessLookupError):
        os.killpg(first.pid, 1)
    assert starter.start(script, via=starter.way).status == 3
    assert report(starter)["started_forked"] + report(starter)["started_ready"] == 2


@pytest.mark.both_ways
def test_a_hundred_megabytes_pass(starter):
    script = write(
        starter.folder / "program" / "copies.py",
        "import hashlib, sys\n"
        "data = sys.stdin.buffer.read()\n"
        "sys.stdout.buffer.write(data)\n"
        "print(hashlib.sha256(data).hexdigest(), file=sys.stderr)\n",
    )
    data = os.urandom(1 << 20) * 100
    starter.both(script, conditions=Conditions(stdin=data), expect=0)


@pytest.mark.both_ways
def test_a_socket_that_lingers_does_not_hold_up_the_end(starter):
    """Who closes it would wait for ten minutes; a process that ends does not."""
    script = write(
        starter.folder / "program" / "lingers.py",
        "import socket, struct, sys\n"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 600))\n"
        "s.setblocking(False)\n"
        "try:\n"
        "    while True:\n"
        "        s.send(bytes(1 << 20))\n"
        "except BlockingIOError:\n"
        "    pass\n"
        # Python would close its own socket, and wait as well.
        "s.detach()\n"
        "print('full')\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        starter.both(script, str(server.getsockname()[1]), expect=0)


def test_standard_streams_that_are_closed_stay_closed(starter, script):
    starter.prepare(script)
    for stream in range(3):
        how = Conditions(prepare=lambda stream=stream: os.close(stream))
        plain = run([starter.python, script], starter.env, starter.fresh_work(), how)
        served = starter.start(script, via=starter.way, conditions=how)
        assert (plain.status, plain.stdout) == (served.status, served.stdout)


def test_spares_have_copied_what_programs_write_to(starter):
    """What a program that prints a line has written to belongs to a spare before it is asked."""
    if starter.way == "fork":
        pytest.skip("keeps no spares")
    script = write(
        starter.folder / "program" / "own.py",
        "import json\n"
        "with open('/proc/self/smaps_rollup') as file:\n"
        "    lines = [line.split() for line in file]\n"
        "print(sum(int(line[1]) for line in lines if line[0] == 'Private_Dirty:'))\n",
    )
    starter.prepare(script)
    (spare,) = until_ready(starter, 1)["spares"]
    own = int(starter.start(script, via="pool").text())
    assert spare["private"] > own * 1024 * 0.6, (spare, own)


def test_the_unit_of_the_documentation(tmp_path):
    """What the documentation gives as a systemd unit is one."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    text = (HERE.parent.parent / "docs" / "serve.md").read_text()
    unit = text.split("```ini\n")[1].split("```")[0]
    assert "glowplug serve --foreground" in unit
    # It must name something that exists.
    unit = unit.replace("/usr/local/bin/glowplug", "/bin/true")
    (tmp_path / "glowplug.service").write_text(unit)
    done = subprocess.run(
        [analyze, "--user", "verify", tmp_path / "glowplug.service"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "glowplug.service" not in done.stderr, done.stderr
