"""The examples: what their pages tell to type works as it stands there, their manifests are valid,
and the Dockerfile freezes what it starts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from harness.build import ROOT
from harness.clock import settle, write
from harness.environments import in_environment
from harness.ports import free_port

pytestmark = pytest.mark.packages
EXAMPLES = ROOT / "examples"
LIMIT = 60.0


def documented(example: str) -> list[tuple[str, str]]:
    """The commands of an example's page, and what the page shows that each prints."""
    text = (EXAMPLES / example / "README.md").read_text()
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command, output in re.findall(r"^\$ (.+)\n((?:[^$\n].*\n)*)", block, re.MULTILINE):
            found.append((re.sub(r"\s{2,}#.*", "", command), output))
    return found


class Page:
    """An example whose page is followed in a folder of its own."""

    def __init__(self, starter, example: str):
        inside = in_environment(starter, "services")
        self.folder = starter.folder / "example"
        shutil.copytree(EXAMPLES / example, self.folder)
        (starter.folder / "home").mkdir()
        settle()
        self.commands = documented(example)
        self.port = str(free_port())
        scripts, binaries = Path(inside.python).parent, Path(inside.glowplug).parent
        path = f"{scripts}:{binaries}:{starter.env['PATH']}"
        self.env = {**starter.env, "PATH": path}

    def words(self, command: str) -> str:
        """The command in this folder, with another port, and explained."""
        explained = re.sub(r"(glowplug thaw \S+) --", r"\1 --explain --", command)
        told = explained.replace("8080", self.port).replace("9001", self.port)
        return told.replace("/tmp/", f"{self.folder}/")

    def the_one(self, word: str) -> tuple[str, str]:
        """The only command that has a word, and what it prints."""
        (found,) = (pair for pair in self.commands if word in pair[0])
        return self.words(found[0]), found[1]

    def run(self, command: str) -> subprocess.CompletedProcess:
        done = subprocess.run(
            ["sh", "-c", command],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def serve(self, command: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def get(url: str, process: subprocess.Popen) -> bytes:
    """What a service answers, as soon as it listens."""
    until = time.monotonic() + LIMIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=LIMIT) as answer:
                return answer.read()
        except urllib.error.URLError:
            ended = process.poll() is not None or time.monotonic() > until
            assert not ended, process.communicate()[0]


@pytest.mark.parametrize("example", ["fastapi_service", "django_site"])
def test_page_of_a_service(starter, built, example):
    page = Page(starter, example)
    page.run(page.the_one("glowplug freeze")[0])
    (url,) = re.findall(r"curl (\S+)", page.the_one("curl")[0])
    process = page.serve(page.the_one("glowplug thaw")[0])
    try:
        health = get(f"http://{url}", process)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(health) == {"status": "ok", "database": True}
    assert "glowplug: thawed in" in said, said
    assert "Traceback" not in said, said


def test_page_of_the_handler(starter, built):
    page = Page(starter, "lambda_handler")
    page.env["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{page.port}"
    page.run(page.the_one("glowplug freeze")[0])
    command, printed = page.the_one("invoke.py")
    done = page.run(command)
    assert done.stdout == printed
    assert "glowplug: thawed in" in done.stderr, done.stderr


def checked(starter, folder: Path) -> dict:
    inside = in_environment(starter, "manifests")
    command = [inside.python, Path(__file__).with_name("manifests.py"), folder]
    done = subprocess.run(command, env=starter.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_manifests(starter):
    found = checked(starter, EXAMPLES / "fastapi_service")
    assert found == {"files": ["knative.yaml", "kubernetes.yaml"], "problems": []}


# A file, what stands there, what stands there instead, and what is said of it.
MISTAKES = [
    ("kubernetes.yaml", "runAsNonRoot: true", "runAsNonRoot: 'yes'", "runAsNonRoot"),
    ("kubernetes.yaml", "readOnlyRootFilesystem", "readOnlyRoot", "readOnlyRoot"),
    ("knative.yaml", "min-scale", "mini-scale", "mini-scale is unknown"),
    (
        "knative.yaml",
        "      containers:",
        "      hostNetwork: true\n      containers:",
        "hostNetwork",
    ),
    ("knative.yaml", "containerPort: 8080", "containerPort: http", "http"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[3].split()[0])
def test_mistakes_in_manifests_are_seen(starter, mistake):
    name, right, wrong, said = mistake
    text = (EXAMPLES / "fastapi_service" / name).read_text()
    assert right in text
    folder = starter.folder / "wrong"
    write(folder / name, text.replace(right, wrong))
    (problem,) = checked(starter, folder)["problems"]
    assert said in problem


def instructions(starter, file: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, as its parser has them."""
    inside = in_environment(starter, "manifests")
    parse = (
        "import io, json, sys\nfrom dockerfile_parse import DockerfileParser\n"
        "found = DockerfileParser(fileobj=io.BytesIO(open(sys.argv[1], 'rb').read())).structure\n"
        "print(json.dumps([(i['instruction'], i['value']) for i in found]))"
    )
    command = [inside.python, "-c", parse, file]
    done = subprocess.run(command, env=starter.env, capture_output=True, check=True)
    return [(name, value) for name, value in json.loads(done.stdout) if name != "COMMENT"]


def test_dockerfile(starter):
    """It freezes as the user that it runs as, and starts what it has frozen."""
    found = instructions(starter, EXAMPLES / "fastapi_service" / "Dockerfile")
    known = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in found} <= known
    for name, value in found:
        if name == "COPY" and not value.startswith("--from="):
            sources = shlex.split(value)[:-1]
            assert all((ROOT / source).exists() for source in sources), value
    last = found[max(n for n, (name, _) in enumerate(found) if name == "FROM") :]
    values = dict(last)
    (frozen,) = (n for n, (name, value) in enumerate(last) if value.startswith("glowplug freeze"))
    users = [(n, value) for n, (name, value) in enumerate(last) if name == "USER"]
    assert len(users) == 1 and users[0][0] < frozen and users[0][1] != "root"
    words = shlex.split(last[frozen][1])
    entrypoint, command = json.loads(values["ENTRYPOINT"]), json.loads(values["CMD"])
    assert entrypoint == ["glowplug", "thaw", words[words.index("-o") + 1], "--sealed", "--"]
    assert command == words[words.index("--") + 1 :]
    assert values["EXPOSE"] == command[command.index("--port") + 1]
