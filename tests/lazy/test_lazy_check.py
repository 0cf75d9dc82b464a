"""`glowplug lazy check`, `lint` and `run --report`, on small programs with one problem each."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from harness.environments import environment
from harness.interpreters import by_minor, clean_environment

REGISTRY = "handlers = []\ndef register(f):\n    handlers.append(f)\n    return f\n"

# Files of a program, and the kind of the cause that is found.
PROGRAMS = {
    "registration": {
        "app.py": "import plugin\nimport registry\nprint([f() for f in registry.handlers])\n",
        "plugin.py": "import registry\n@registry.register\ndef f(): return 1\n",
        "registry.py": REGISTRY,
    },
    "event": {
        "app.py": "import listeners\nimport events\nevents.fire()\n",
        "listeners.py": "import events\n@events.listens_for('start')\ndef f(): print('heard')\n",
        "events.py": "all = []\ndef listens_for(name):\n    return all.append\n"
        "def fire():\n    for f in all:\n        f()\n",
    },
    "monkey-patch": {
        "app.py": "import patch\nimport tool\nprint(tool.answer())\n",
        "patch.py": "import tool\ntool.answer = lambda: 42\n",
        "tool.py": "def answer(): return 0\n",
    },
    "codec": {
        "app.py": "import shout\nprint('a'.encode('shout'))\n",
        "shout.py": "import codecs\n"
        "def encode(s, errors=''): return s.upper().encode(), len(s)\n"
        "INFO = codecs.CodecInfo(encode, None, name='shout')\n"
        "codecs.register(lambda name: INFO if name == 'shout' else None)\n",
    },
    "class": {
        "app.py": "import plugin\nimport base\nprint(len(base.Base.__subclasses__()))\n",
        "plugin.py": "from base import Base\nclass Plugin(Base): pass\n",
        "base.py": "class Base: pass\n",
    },
}


def newest(minor: tuple[int, int]) -> Path:
    found = by_minor(minor)
    if not found:
        pytest.skip("no CPython %d.%d on this machine" % minor)
    return found[0].path


@pytest.fixture
def python() -> Path:
    return newest((3, 11))


@pytest.fixture(params=[(3, 11), (3, 15)], ids=["3.11", "3.15"])
def either(request: pytest.FixtureRequest) -> Path:
    """One on which Glowplug brings the mechanism, and one that has lazy imports of its own."""
    return newest(request.param)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def glowplug(built: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = {**clean_environment(), "GLOWPLUG_CACHE_DIR": str(folder / "cache")}
    command = [str(word) for word in (built, "lazy", *arguments)]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


# All kinds by Glowplug's own mechanism; the interpreter's is searched in the same way.
SEARCHES = [((3, 11), kind) for kind in PROGRAMS] + [((3, 15), "event"), ((3, 15), "class")]


@pytest.mark.parametrize(("minor", "kind"), SEARCHES)
def test_the_importer_and_its_cause_are_found_and_written(built, minor, tmp_path, kind):
    python = newest(minor)
    write(tmp_path, PROGRAMS[kind])
    (tmp_path / "pyproject.toml").write_text("# kept\n[project]\nname = 'x'   # as it was\n")
    done = glowplug(built, tmp_path, "check", "--json", "--", python, "app.py")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [one["entry"] for one in found["keep"]] == ["=__main__"]
    assert found["keep"][0]["cause"]["kind"] == kind
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith("# kept\n[project]\nname = 'x'   # as it was\n")
    assert '    "=__main__",\n' in text


def test_a_program_without_an_end_is_given_up(built, python, tmp_path):
    write(tmp_path, {"app.py": "import signal\nsignal.pause()\n"})
    done = glowplug(built, tmp_path, "check", "--time-limit=2", "--", python, "app.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--time-limit" in done.stderr


def test_where_the_time_is_over_what_is_enough_is_written(built, python, tmp_path):
    """Two eager runs, a lazy one, one with all importers eager; the fifth has no end."""
    write(tmp_path, PROGRAMS["event"])
    app = (
        "import listeners\nimport events\nfile = open('runs', 'a+')\nfile.write('x')\n"
        "file.flush()\nif file.tell() > 4:\n    import signal\n    signal.pause()\n"
        "events.fire()\n"
    )
    (tmp_path / "app.py").write_text(app)
    limit = "--time-limit=6"
    done = glowplug(built, tmp_path, "check", limit, "--json", "--", python, "app.py")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "unfinished"
    assert "=__main__" in found["enough"]
    assert "perhaps not needed" in (tmp_path / "pyproject.toml").read_text()


def test_a_program_that_does_the_same(built, either, tmp_path):
    write(tmp_path, {"app.py": "import json\nprint(json.dumps([1]))\n"})
    done = glowplug(built, tmp_path, "check", "--", either, "app.py")
    assert done.returncode == 0, done.stderr
    assert "does the same with lazy imports" in done.stdout
    assert not (tmp_path / "pyproject.toml").exists()


RED = "def test_good(): pass\ndef test_bad(): assert False, 'as ever'\n"
FAILING = {
    "no script": (("missing.py",), "exit status 2", "can't open file"),
    "no pytest": (("-S", "-m", "pytest"), "exit status 1", "No module named pytest"),
    "an error": (("fails.py",), "exit status 1", "ValueError: as ever"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_program_that_fails_anyway_proves_nothing(built, python, tmp_path, name):
    arguments, status, said = FAILING[name]
    write(tmp_path, {"fails.py": "import json\njson.dumps(1)\nraise ValueError('as ever')\n"})
    done = glowplug(built, tmp_path, "check", "--", python, *arguments)
    assert done.returncode == 3, done.stderr
    assert "does the same" not in done.stdout
    assert f"itself fails, without lazy imports as with them: {status}\n" in done.stdout
    assert said in done.stdout


def test_that_a_program_fails_is_told_to_machines(built, python, tmp_path):
    write(tmp_path, {"fails.py": "print(1)\nraise ValueError('as ever')\n"})
    done = glowplug(built, tmp_path, "check", "--json", "--", python, "fails.py")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["eager"]["ended"]) == ("fails", "exit status 1")
    assert found["eager"]["last_lines"][-1] == "ValueError: as ever"


def test_a_suite_that_is_red_anyway_is_compared_and_proves_little(built, tmp_path):
    inside = environment(by_minor((3, 11))[0], "lazy").path
    write(tmp_path, {"test_app.py": RED})
    done = glowplug(built, tmp_path, "check", "--", inside, "-m", "pytest")
    assert done.returncode == 3, done.stderr
    assert "how each of 2 tests ended, 1 of which fail\n" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    write(tmp_path, PROGRAMS["registration"])
    core = "import plugin\nimport registry\ndef count(): return len(registry.handlers)\n"
    lazily_red = "import core\ndef test_handlers(): assert core.count() == 1\n"
    write(tmp_path, {"core.py": core, "test_app.py": RED + lazily_red})
    done = glowplug(built, tmp_path, "check", "--no-write", "--", inside, "-m", "pytest")
    assert done.returncode == 1, done.stderr
    assert "test_app::test_handlers failed instead of passed" in done.stderr


def test_an_interpreter_that_cannot_import_lazily_proves_nothing(built, python, tmp_path):
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    wrapper.chmod(0o755)
    write(tmp_path, {"app.py": "import json\nprint(json.dumps([1]))\n"})
    done = glowplug(built, tmp_path, "check", "--", wrapper, "app.py")
    assert done.returncode == 3, done.stderr
    assert "nothing was lazy" in done.stdout and "wrapper script" in done.stdout


def test_tests_are_compared_one_by_one(built, python, tmp_path):
    inside = environment(by_minor((3, 11))[0], "lazy").path
    files = dict(PROGRAMS["registration"])
    # pytest looks at every name of a test's module, so that nothing stays pending there.
    files["core.py"] = (
        "import plugin\nimport registry\ndef count(): return len(registry.handlers)\n"
    )
    files["test_app.py"] = (
        "import core\n"
        "def test_handlers(): assert core.count() == 1\n"
        "def test_other(): assert True\n"
    )
    write(tmp_path, files)
    done = glowplug(built, tmp_path, "check", "--no-write", "--json", "--", inside, "-m", "pytest")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert "test_app::test_handlers failed instead of passed" in found["differences"]
    assert not any("test_other" in difference for difference in found["differences"])
    assert [one["entry"] for one in found["keep"]] == ["=core"]


def test_what_is_no_python_program_is_refused(built, tmp_path):
    done = glowplug(built, tmp_path, "check", "--", "/bin/true")
    assert done.returncode == 2
    assert "not a Python program" in done.stderr


def test_the_report_tells_what_was_loaded_and_what_was_not(built, either, tmp_path):
    write(
        tmp_path,
        {
            "app.py": "import json\nimport decimal\nimport xml.dom.minidom\nX = json.dumps(1)\n"
            "def view():\n    return decimal.Decimal(1)\nprint(view())\n"
        },
    )
    done = glowplug(built, tmp_path, "run", "--report", "--python", either, "app.py")
    assert done.returncode == 0 and done.stdout == "1\n"
    report = done.stderr
    assert "decimal  first used by view (" in report
    vain = report.split("lazy in vain:")[1].split("never used:")[0]
    assert "  json  imported by __main__" in vain
    assert "xml.dom.minidom  imported by __main__:3" in report.split("never used:")[1]


SERVICE = """import decimal
import http.server
import handlers
import threading
import sys
import glowplug.lazy

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = repr(handlers.PAGES[self.path]()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
warmer = glowplug.lazy.warm()
warmer.join()
print(server.server_address[1], "slow" in sys.modules, flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown())).start()
server.serve_forever()
"""

HANDLERS = """import slow
import tools

def show(): return tools.render()
def pay(): return slow.value
PAGES = {"/show": show, "/pay": pay}
"""

# An import that takes longer than the report leaves unnamed.
SLOW = "import time\nend = time.perf_counter() + 0.005\nwhile time.perf_counter() < end: pass\n"


def serve(built: Path, python: Path, folder: Path) -> tuple[bool, str]:
    """Starts the service, asks for both pages, and ends it: whether `slow` was there before the
    first request, and the report.
    """
    env = {
        **clean_environment(),
        "GLOWPLUG_CACHE_DIR": str(folder / "cache"),
        "GLOWPLUG_RUNTIME": str(built.parents[1] / "lib" / "glowplug"),
        "PYTHONPATH": str(Path(__file__).parents[2] / "python"),
    }
    pipe = subprocess.PIPE
    command = [built, "lazy", "run", "--report", "--python", python, "service.py"]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as service:
        port, is_warm = service.stdout.readline().split()
        for page in ("/show", "/pay", "/pay"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=60) as answer:
                assert answer.status == 200
        service.stdin.close()
        report = service.stderr.read()
    assert service.returncode == 0, report
    return is_warm == "True", report


def test_the_report_of_a_service_says_which_request_pays_and_warm_mends_it(built, either, tmp_path):
    write(
        tmp_path,
        {
            "service.py": SERVICE,
            "handlers.py": HANDLERS,
            "slow.py": SLOW + "value = 1\n",
            "tools.py": "import deep\ndef render(): return deep.value\n",
            "deep.py": SLOW + "value = 2\n",
        },
    )
    is_warm, report = serve(built, either, tmp_path)
    assert not is_warm
    paid = report.split("paid for by first calls:")[1]
    assert f"the first call of `pay` ({tmp_path}/handlers.py:5) by " in paid
    inner, outer = f"`render` ({tmp_path}/tools.py:2)", f"`show` ({tmp_path}/handlers.py:4)"
    assert f"the first call of {inner} by {outer} by `do_GET` " in paid
    settings = "[tool.glowplug.lazy]\n" + re.search(r"^warm = .*$", paid, re.MULTILINE)[0]
    assert '"slow"' in settings and '"deep"' in settings
    (tmp_path / "pyproject.toml").write_text(settings + "\n")
    is_warm, report = serve(built, either, tmp_path)
    assert is_warm
    assert "for `slow`" not in report and "for `deep`" not in report


def test_lint_reports_in_three_forms(built, tmp_path):
    write(tmp_path, {"app.py": "import json\njson.dumps = None\n"})
    text = glowplug(built, tmp_path, "lint", "app.py")
    assert text.returncode == 1 and "--> app.py:2:1" in text.stdout
    machine = json.loads(glowplug(built, tmp_path, "lint", "--format=json", "app.py").stdout)
    assert [one["rule"] for one in machine["findings"]] == ["monkey-patch"]
    sarif = json.loads(glowplug(built, tmp_path, "lint", "--format=sarif").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "monkey-patch"
    clean = glowplug(built, tmp_path, "lint", "--ignore=monkey-patch")
    assert clean.returncode == 0
