"""Services: frozen when about to serve, thawed where their environment tells them what to do."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from harness import images
from harness.clock import settle, write
from harness.running import Conditions, run
from harness.service import Service

# `settings` reads variables at import, `library` does nothing of the kind, `late` is imported by
# the command alone.
FILES = {
    "settings.py": "import os\nNAME = os.environ.get('SERVICE_NAME', 'nobody')\n"
    "KEY = os.environ['SECRET_KEY']\n",
    "library.py": "import email.message\nimport http.server\nLOADED = []\n",
    "late.py": "import decimal\n",
    "app.py": """\
import library
import settings
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{settings.NAME} {settings.KEY} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass
""",
    "serve.py": """\
import signal
import sys
import late
from app import Handler, HTTPServer

def stop(number, frame):
    print("stopping", flush=True)
    sys.exit(7)

server = HTTPServer(("127.0.0.1", 0), Handler)
signal.signal(signal.SIGTERM, stop)
print("listening", server.server_port, flush=True)
server.serve_forever()
""",
}


@pytest.fixture
def project(starter, built):
    folder = starter.folder / "project"
    for name, text in FILES.items():
        write(folder / name, text)
    settle()
    return folder


def freeze(starter, project, *words, env=None, expect=0):
    """Freezes in the project's folder; the image and what was said."""
    file = project / "app.image"
    command = starter.command("freeze", "-o", file, "--python", starter.python, *words)
    conditions = Conditions(env={"SECRET_KEY": "swordfish", **(env or {})})
    (starter.folder / "home").mkdir(exist_ok=True)
    outcome = run(command, starter.env, project, conditions)
    assert outcome.status == expect, outcome.errors()
    return file, outcome


def environment(starter, **variables):
    return {**starter.env, "SECRET_KEY": "swordfish", **variables}


def explained(starter, file, project, *command, **variables):
    """How a service was started, by the first line that it says."""
    words = starter.command("thaw", file, "--explain", "--", *command)
    service = Service(words, environment(starter, **variables), project)
    body = service.get("/x")
    status, stdout, stderr = service.stop()
    assert (status, stdout) == (7, b"stopping\n"), stderr
    return body, stderr.decode()


def test_a_service_is_told_by_its_environment_what_it_does(starter, project):
    file, said = freeze(starter, project, "--app", "app:Handler", "--", "serve.py")
    assert "the service came as far as binding a socket" in said.errors()
    meta = images.read(file).meta
    assert {"library", "late", "http.server"} <= set(meta["modules"])
    assert {"settings", "app"} == {kept["module"] for kept in meta["apart"]} & {"settings", "app"}
    assert "SERVICE_NAME" not in meta["env_names"] and "SECRET_KEY" not in meta["env_names"]
    for name in ("one", "two"):
        plain = Service(
            [starter.python, "serve.py"], environment(starter, SERVICE_NAME=name), project
        )
        expected = plain.get("/x")
        assert plain.stop() == (7, b"stopping\n", b"")
        body, said = explained(starter, file, project, "serve.py", SERVICE_NAME=name)
        assert body == expected == f"{name} swordfish /x".encode()
        assert "glowplug: thawed in" in said, said
        assert "not preloaded: settings, which reads the environment variable S" in said, said


def test_what_settings_read_is_not_in_the_image(starter, project):
    file, _ = freeze(starter, project, "--app", "app", "--", "serve.py")
    assert b"swordfish" not in file.read_bytes()


LATE = "import decimal\nclass C:\n    @staticmethod\n    def ready(): pass\n"
# The last one without the package: it only has to say so.
ENDS = {
    "module": (["--until", "late"], "import late\n"),
    "function": (["--until", "late:C.ready"], "import late\nlate.C.ready()\n"),
    "connection": (
        [],
        "import late\nimport socket\ns = socket.socket()\ns.connect_ex(('127.0.0.1', 1))\n",
    ),
    "point": ([], "import late\nimport sys\nsys._glowplug_freeze_point()\n"),
}


@pytest.mark.parametrize("ends", ENDS)
def test_where_a_trial_ends(starter, project, ends):
    """Nothing behind that point is imported, or happens."""
    after = "import wave\nopen('happened', 'w').close()\n"
    options, text = ENDS[ends]
    write(project / "late.py", LATE)
    write(project / "main.py", text + after)
    settle()
    file, _ = freeze(starter, project, "--app", "library", *options, "--", "main.py")
    modules = set(images.read(file).meta["modules"])
    assert {"library", "late", "decimal"} <= modules and "wave" not in modules
    assert not (project / "happened").exists()


def test_a_service_that_ends_too_early(starter, project):
    write(project / "main.py", "import library\nprint('no more')\nraise SystemExit(3)\n")
    settle()
    _, outcome = freeze(starter, project, "--app", "app", "--", "main.py", expect=121)
    said = outcome.errors()
    assert "the service ended (exit status: 3) before it bound a socket\n  | no more" in said
    assert "help: name what it imports" in said
    assert not (project / "app.image").exists()


# What an application does when it is imported, the line that does it, and what is said of it.
UNDECIDED = {
    "connection": (
        "import socket\nDATABASE = socket.create_connection(('127.0.0.1', PORT))\n",
        "DATABASE = socket.create_connection",
        "error: the application connects (",
    ),
    "thread": (
        "import threading, time\ndef work():\n    time.sleep(3600)\n"
        "WORKER = threading.Thread(target=work, daemon=True)\nWORKER.start()\n",
        "WORKER.start()",
        "error: the application leaves a thread when it is imported",
    ),
    "process": (
        "import subprocess\ndef helper():\n"
        "    return subprocess.Popen(['cat'], stdin=-1, stdout=-3, stderr=-3)\n"
        "\nHELPER = helper()\n",
        "return subprocess.Popen",
        "error: the application starts a process (",
    ),
    "secret": (
        "from pathlib import Path\nTOKEN = Path('.netrc').read_text()\n",
        "TOKEN = Path(",
        "error: the application reads ",
    ),
}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def undecided(project, listener):
    """Writes an application that does something when it is imported."""

    def make(what):
        text, line, said = UNDECIDED[what]
        text = text.replace("PORT", str(listener.getsockname()[1]))
        application = FILES["app.py"]
        if what == "secret":
            # Where settings keep the module out of the image, what it reads is not in it either.
            application = application.replace("import settings\n", "")
            application = application.replace("{settings.NAME} {settings.KEY}", "nobody swordfish")
        write(project / ".netrc", "machine example.org password swordfish\n")
        write(project / "app.py", application + "\n\n" + text)
        settle()
        lines = (project / "app.py").read_text().splitlines()
        return next(n for n, found in enumerate(lines, 1) if line in found), said

    return make


@pytest.mark.parametrize("what", UNDECIDED)
def test_an_application_that_does_what_no_image_holds(starter, project, undecided, what):
    """The error names the line and what to do; nothing is written."""
    number, expected = undecided(what)
    _, outcome = freeze(starter, project, "--app", "app", "--", "serve.py", expect=122)
    said = outcome.errors()
    assert said[said.index("error:") :].startswith(expected), said
    assert f"--> {project}/app.py:{number}:" in said, said
    assert f"{number} | " in said and "= help: " in said and "--leave-out" in said, said
    assert not (project / "app.image").exists()


@pytest.mark.parametrize("what", UNDECIDED)
def test_what_is_left_out_is_imported_at_each_start(starter, project, undecided, what):
    undecided(what)
    words = ("--leave-out", "app", "--app", "app", "--", "serve.py")
    file, _ = freeze(starter, project, *words)
    meta = images.read(file).meta
    causes = {kept["module"]: kept["cause"] for kept in meta["apart"]}
    assert "--leave-out" in causes["app"] and "library" in meta["modules"]
    assert b"password swordfish" not in file.read_bytes()
    body, said = explained(starter, file, project, "serve.py")
    assert body == b"nobody swordfish /x" and "thawed in" in said, said


def test_a_module_that_nobody_imports_cannot_be_left_out(starter, project):
    words = ("--leave-out", "wave", "--app", "app", "--", "serve.py")
    _, outcome = freeze(starter, project, *words, expect=2)
    assert "the service has not imported `wave` when it comes to binding" in outcome.errors()


def test_hooks_decide_about_a_connection(starter, project, undecided, listener):
    """It is closed before the freeze and opened after each thaw, so that its module is frozen."""
    undecided("connection")
    with (project / "app.py").open("a") as file:
        file.write(
            "import sys, types\nhooks = sys.modules['glowplug.hooks']\n"
            "def close():\n    DATABASE.close()\n"
            "def connect():\n    global DATABASE\n"
            "    DATABASE = socket.create_connection(DATABASE_AT)\n"
            "DATABASE_AT = DATABASE.getpeername()\n"
            "hooks._before_freeze.append((close, (), {}))\n"
            "hooks._after_thaw.append((connect, (), {}))\n"
        )
    # As the package has it, which need not be in this environment.
    write(project / "library.py", FILES["library.py"] + HOOKS)
    without_settings = (project / "app.py").read_text().replace("import settings\n", "")
    write(
        project / "app.py",
        without_settings.replace("{settings.NAME} {settings.KEY}", "{DATABASE.fileno() > 0}"),
    )
    settle()
    file, _ = freeze(starter, project, "--app", "app", "--", "serve.py")
    assert "app" in images.read(file).meta["modules"]
    body, said = explained(starter, file, project, "serve.py")
    assert body == b"True /x" and "thawed in" in said, said


HOOKS = """
import sys, types
hooks = sys.modules["glowplug.hooks"] = types.ModuleType("glowplug.hooks")
hooks._before_freeze, hooks._after_thaw = [], []
"""


def test_an_application_that_is_not_there(starter, project):
    _, outcome = freeze(starter, project, "--app", "missing:app", expect=122)
    assert "importing missing failed: ModuleNotFoundError" in outcome.errors()


def test_values_that_libraries_read_select_the_image(starter, project):
    """Not those of the application's own modules."""
    site = project / "site-packages"
    write(
        site / "installed.py",
        "import os\ndef level():\n    return os.environ.get('LIBRARY_LEVEL')\n"
        "def config(name):\n    return os.environ.get(name)\n",
    )
    write(project / "told.py", "import installed\nTOLD = installed.config('TOLD')\n")
    write(
        project / "library.py",
        "import sys\nsys.path.append('site-packages')\nimport installed\ninstalled.level()\n",
    )
    write(project / "app.py", FILES["app.py"].replace("settings\n", "settings\nimport told\n", 1))
    settle()
    file, _ = freeze(starter, project, "--app", "app", "--", "serve.py")
    meta = images.read(file).meta
    assert "LIBRARY_LEVEL" in meta["env_names"] and "TOLD" not in meta["env_names"]
    causes = {kept["module"]: kept["cause"] for kept in meta["apart"]}
    assert causes["told"] == "reads the environment variable TOLD"
    assert "library" not in causes
    _, said = explained(starter, file, project, "serve.py")
    assert "thawed in" in said, said
    for change in ({"LIBRARY_LEVEL": "3"}, {"PYTHONOPTIMIZE": "1"}, {"LANG": "C"}):
        _, said = explained(starter, file, project, "serve.py", **change)
        assert said.startswith("glowplug: plain: "), said


def test_another_home(starter, project):
    """A service often runs as somebody else; whose own packages count."""
    write(
        project / "serve.py",
        FILES["serve.py"].replace(
            "server =", "import os, site\nprint(site.USER_SITE, file=sys.stderr)\nserver ="
        ),
    )
    settle()
    file, _ = freeze(starter, project, "--app", "app", "--", "serve.py")
    other = starter.folder / "other"
    plain = Service([starter.python, "serve.py"], environment(starter, HOME=str(other)), project)
    plain.get()
    expected = plain.stop()[2].decode()
    _, said = explained(starter, file, project, "serve.py", HOME=str(other))
    assert "thawed in" in said and said.endswith(expected), said
    major, minor = starter.interpreter.version[:2]
    (other / f".local/lib/python{major}.{minor}/site-packages").mkdir(parents=True)
    _, said = explained(starter, file, project, "serve.py", HOME=str(other))
    assert said.startswith("glowplug: plain: the user has packages of its own"), said


def test_console_scripts_and_interpreters_by_name(starter, project):
    """The usual command of a service, as it stands in a Dockerfile."""
    script = write(project / "bin" / "serve-it", f"#!{starter.python}\n" + FILES["serve.py"])
    os.chmod(script, 0o755)
    settle()
    path = {"PATH": f"{script.parent}:{starter.env['PATH']}", "PYTHONPATH": str(project)}
    file, _ = freeze(starter, project, "--app", "app", "--", "serve-it", env=path)
    for command in (["serve-it"], ["python3", script], ["python", "-X", "utf8=0", script]):
        _, said = explained(starter, file, project, *command, **path)
        way = "plain" if "-X" in command else "thawed"
        assert f"glowplug: {way}" in said, said


def test_a_service_dies_of_a_signal(starter, project):
    """SIGTERM has no handler here: the service dies of it, as plain Python does."""
    write(
        project / "serve.py", FILES["serve.py"].replace("signal.signal(signal.SIGTERM, stop)\n", "")
    )
    settle()
    file, _ = freeze(starter, project, "--app", "app", "--", "serve.py")
    for command in ([starter.python, "serve.py"], starter.command("thaw", file, "--", "serve.py")):
        service = Service(command, environment(starter), project)
        assert service.get("/") == b"nobody swordfish /"
        assert service.stop(signal.SIGTERM) == (-signal.SIGTERM, b"", b"")
