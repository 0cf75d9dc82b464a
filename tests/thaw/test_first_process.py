"""A service that is process 1, as in a container: signals, orphans and its end are those of plain
Python there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clock import settle, write
from harness.running import Conditions, run
from harness.service import LIMIT, Service

FILES = {
    "library.py": "import email.message\nimport http.server\nimport subprocess\n",
    "serve.py": '''\
import library
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def orphan():
    """What becomes of a process whose parent has ended: `Z` where nobody waits for it."""
    end, hold = os.pipe()
    child = ["sh", "-c", f"cat <&{end} >/dev/null & echo $!"]
    made = subprocess.run(child, stdout=subprocess.PIPE, pass_fds=[end])
    os.close(end)
    os.close(hold)
    while True:
        try:
            with open(f"/proc/{int(made.stdout)}/stat") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
        except FileNotFoundError:
            return "gone"
        if state == "Z":
            return f"Z of {parent}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        said = {"/pids": lambda: f"{os.getpid()} {os.getppid()}", "/orphan": orphan}
        body = said[self.path]().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def stop(number, frame):
    print("stopping", flush=True)
    sys.exit(7)


server = HTTPServer(("127.0.0.1", 0), Handler)
if "--graceful" in sys.argv:
    signal.signal(signal.SIGTERM, stop)
print("listening", server.server_port, flush=True)
server.serve_forever()
''',
}

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
WITHOUT_ROOT = ["unshare", "--user", "--map-root-user", *NAMESPACE[1:]]


@pytest.fixture
def namespace(built) -> list[str]:
    """What makes its command process 1."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (util-linux)")
    made = NAMESPACE if os.geteuid() == 0 else WITHOUT_ROOT
    if subprocess.run([*made, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a kernel that lets users make process namespaces")
    return made


@pytest.fixture
def frozen(starter, namespace) -> Path:
    """The image of the service, which was made there as well."""
    folder = starter.folder / "project"
    for name, text in FILES.items():
        write(folder / name, text)
    settle()
    (starter.folder / "home").mkdir()
    file = folder / "service.image"
    words = ["freeze", "-o", file, "--python", starter.python, "--app", "library", "--", "serve.py"]
    outcome = run([*namespace, *starter.command(*words)], starter.env, folder, Conditions())
    assert outcome.status == 0, outcome.errors()
    return file


class First(Service):
    """A service whose process is the only child of the one that was started."""

    def first(self) -> int:
        """Its process id as it is out here."""
        (child,) = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return int(child)

    def end(self, number: int) -> tuple[int, bytes, bytes]:
        """Signals it; what it has printed, and the status that its parent passes on."""
        os.kill(self.first(), number)
        stdout, stderr = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, stdout, stderr


def both(starter, namespace, frozen: Path, *arguments: str) -> Iterator[First]:
    """The service, plain, and then thawed."""
    env, folder = starter.env, frozen.parent
    yield First([*namespace, starter.python, "serve.py", *arguments], env, folder)
    words = starter.command("thaw", frozen, "--via", "thaw", "--", "serve.py", *arguments)
    yield First([*namespace, *words], env, folder)


def test_graceful_stop(starter, namespace, frozen):
    for service in both(starter, namespace, frozen, "--graceful"):
        assert service.get("/pids") == b"1 0"
        assert service.end(signal.SIGTERM) == (7, b"stopping\n", b"")


def test_signal_without_a_handler(starter, namespace, frozen):
    """The kernel keeps it from process 1, unless it is SIGKILL."""
    ends = []
    for service in both(starter, namespace, frozen):
        os.kill(service.first(), signal.SIGTERM)
        assert service.get("/pids") == b"1 0"
        ends.append(service.end(signal.SIGKILL))
    assert ends[0] == ends[1]


def test_orphans(starter, namespace, frozen):
    """Python waits for no child that it has not started; nor does what was thawed."""
    found = []
    for service in both(starter, namespace, frozen, "--graceful"):
        found.append([service.get("/orphan") for _ in range(3)])
        assert service.end(signal.SIGTERM)[0] == 7
    assert found == [[b"Z of 1"] * 3] * 2
