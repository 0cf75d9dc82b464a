"""The FastAPI example's Dockerfile, built and run by podman. Its first stage, which makes a wheel
with a compiler from the network, is replaced by the wheel of this checkout; what follows is as it
stands.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from harness import containers
from harness.build import ROOT
from harness.environments import in_environment
from harness.ports import free_port
from harness.service import ask

pytestmark = pytest.mark.packages

EXAMPLE = "examples/fastapi_service"
BASE = "docker.io/library/python:3.13-slim"
STAGE = "FROM scratch AS glowplug\nCOPY wheels /wheels\n\n"
LIMIT = 120.0


def podman(*words: object) -> None:
    done = subprocess.run(
        ["podman", *map(str, words)], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def image(starter):
    """The runtime of containers, and the name of the built image, which is removed afterwards."""
    runtime = f"--runtime={containers.engine('podman', starter.folder / 'engine').runtime}"
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode:
        pytest.skip(f"needs an image: `podman pull {BASE}`")
    # Where packages are not to be installed, a wheel, minutes of compiling, is not made either.
    python = in_environment(starter, "services").python
    context = starter.folder / "context"
    shutil.copytree(ROOT / EXAMPLE, context / EXAMPLE)
    # setuptools writes into the sources.
    sources = starter.folder / "sources"
    left_out = shutil.ignore_patterns(".git", "target", "build", "__pycache__")
    shutil.copytree(ROOT, sources, ignore=left_out, symlinks=True)
    wheel = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", context / "wheels"]
    env = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")}
    subprocess.run([*wheel, sources], check=True, env=env)
    text = (ROOT / EXAMPLE / "Dockerfile").read_text()
    _, mark, second = text.partition("FROM python:3.13-slim\n")
    (context / "Dockerfile").write_text(STAGE + mark + second)
    name = "localhost/glowplug-example"
    # Packages come from where this machine has them from.
    certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
    options = ["--pull=never", "--network=host", f"--volume={certificates}", f"--tag={name}"]
    podman(runtime, "build", *options, "--ulimit=nofile=1024:1024", context)
    yield runtime, name
    podman("image", "rm", "--force", name)


def serve(image: tuple[str, str], port: int, *words: str):
    """The answers of a container that may write nowhere, its exit status, what it has said."""
    runtime, name = image
    options = ["--rm", "--network=host", "--read-only", "--cap-drop=all", "--log-driver=none"]
    options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--env=AWS_REGION=mars"]
    options += ["--security-opt=no-new-privileges", f"--entrypoint={words[0]}"]
    process = subprocess.Popen(
        ["podman", runtime, "run", *options, name, *words[1:], "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        answers = [ask(process, port, what) for what in ("/health", "/mean?numbers=1,2", "/queue")]
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT)
    finally:
        process.terminate()
    return answers, process.returncode, said


def test_the_image_thaws_as_it_serves_plainly(image):
    """As its user, as process 1, with another port and another environment than in the build."""
    command = ["uvicorn", "service:app", "--host", "127.0.0.1"]
    plain = serve(image, free_port(), *command)
    assert plain[0][0] == (200, b'{"status":"ok","database":true}'), plain
    assert b"mars" in plain[0][2][1]
    thaw = ["glowplug", "thaw", "/image/service.image", "--sealed", "--explain", "--"]
    answers, status, said = serve(image, free_port(), *thaw, *command)
    assert "glowplug: thawed in" in said, said
    assert (answers, status) == plain[:2], said
