"""The FastAPI example in containers, by podman and by runc: frozen in one, thawed in another one
that may write nowhere and is process 1 there; as the plain service in all that can be told.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from harness import containers
from harness.build import ROOT
from harness.clock import settle
from harness.environments import in_environment

pytestmark = pytest.mark.packages

ENGINES = ["podman", "podman-layered", "runc"]
SOCKET = f"{containers.SERVED}/socket"
COMMAND = ["uvicorn", "service:app", "--uds", SOCKET]
IMAGE = "/image/service.image"
LIMIT = 120.0


@pytest.fixture
def root(starter, built):
    """A root file system with the example, owned by the user of the containers."""
    inside = in_environment(starter, "services")
    asked = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix]))"
    output = subprocess.run(
        [inside.python, "-c", asked], env=starter.env, check=True, capture_output=True
    )
    prefixes = [Path(prefix) for prefix in json.loads(output.stdout)]
    # Whoever runs in the container has to get to what lies below this folder.
    tree = starter.folder / "glowplug"
    for name in ("bin", "lib"):
        shutil.copytree(built.parent.parent / name, tree / name)
    made = containers.make_root(starter.folder / "root", prefixes, tree)
    for file in (ROOT / "examples" / "fastapi_service").glob("*.py"):
        shutil.copy(file, made.folder / "app")
    made.served = starter.folder / "served"
    made.served.mkdir()
    made.served.chmod(0o777)
    settle()
    return made


class Container:
    """A service in a container, asked over its socket."""

    def __init__(self, command: list[str], served: Path, folder: Path):
        self.path = served / "socket"
        self.path.unlink(missing_ok=True)
        self.output = folder / "said"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def get(self, what: str) -> tuple[int, bytes]:
        """Its answer; nobody listens until it has started."""
        until = time.monotonic() + LIMIT
        while True:
            connection = http.client.HTTPConnection("localhost", timeout=LIMIT)
            connection.sock = socket.socket(socket.AF_UNIX)
            try:
                connection.sock.connect(str(self.path))
                connection.request("GET", what)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (ConnectionError, FileNotFoundError):
                assert self.process.poll() is None and time.monotonic() < until, self.said()
                os.sched_yield()
            finally:
                connection.close()

    def stop(self) -> tuple[int, str]:
        """Sends it SIGTERM, which podman and runc pass on; its status and what it has said."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(LIMIT)
        return status, self.said()


def serve(command: list[str], root, folder: Path):
    """The answers of a service, its exit status, and what it has said."""
    container = Container(command, root.served, folder)
    try:
        asked = ("/health", "/mean?numbers=1,2,6", "/queue", "/nowhere")
        answers = [container.get(what) for what in asked]
        return answers, *container.stop()
    finally:
        if container.process.poll() is None:
            container.process.terminate()


@pytest.mark.parametrize("name", ENGINES)
def test_frozen_in_one_container_and_thawed_in_another(starter, root, name):
    engine = containers.engine(name, starter.folder / "engine")
    freeze = ["glowplug", "freeze", "-o", IMAGE, "--app", "service:app", "--", *COMMAND]
    build = engine.command(root, freeze, writes=True)
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (root.folder / IMAGE[1:]).stat()
    root.share, root.megabytes = 0.1, 256
    root.env["AWS_REGION"] = "eu-north-1"
    plain = serve(engine.command(root, ["python3", "-m", *COMMAND]), root, starter.folder)
    assert plain[0][0] == (200, b'{"status":"ok","database":true}'), plain
    assert b"eu-north-1" in plain[0][2][1]
    for options in (["--sealed"], []):
        thaw = ["glowplug", "thaw", IMAGE, "--explain", *options, "--", *COMMAND]
        answers, status, said = serve(engine.command(root, thaw), root, starter.folder)
        assert "glowplug: thawed in" in said, said
        assert (answers, status) == plain[:2], said
        # What goes through two pipes may change its order.
        last = [sorted(text.splitlines()[-4:]) for text in (said, plain[2])]
        assert "stopped" in last[0] and last[0] == last[1]
