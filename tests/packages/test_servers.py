"""Real servers with real applications: each is frozen by its usual command, answers thawed as it
does plainly, and stops as gracefully.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from harness import images
from harness.build import ROOT
from harness.clock import settle, write
from harness.environments import in_environment
from harness.running import Conditions, run

pytestmark = pytest.mark.packages
EXAMPLES = ROOT / "examples"
LIMIT = 60.0

ASGI = """\
import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    body = json.dumps(scope["path"]).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
FLASK = """\
import flask

app = flask.Flask("app")

@app.get("/health")
def health():
    return {"status": "ok"}
"""
AIOHTTP = """\
import sys
from aiohttp import web

async def health(request):
    return web.json_response({"status": "ok"})

app = web.Application()
app.router.add_get("/health", health)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
"""
SANIC = """\
import sys
from sanic import Sanic, response

app = Sanic("app")

@app.get("/health")
async def health(request):
    return response.json({"status": "ok"})

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True)
"""


@dataclass(frozen=True)
class Server:
    """An application, and the usual command that serves it; PORT stands for its port."""

    app: str
    command: str
    source: str | None = None
    example: str | None = None
    preloaded: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


SERVERS = {
    "uvicorn": Server(
        "service:app",
        "uvicorn service:app --port PORT",
        example="fastapi_service",
        preloaded=("uvicorn", "fastapi", "pandas", "boto3", "sqlalchemy"),
    ),
    "uvicorn-workers": Server(
        "app:app",
        "uvicorn app:app --port PORT --workers 2",
        ASGI,
        preloaded=("uvicorn",),
    ),
    "gunicorn": Server(
        "site_wsgi:application",
        "gunicorn --bind 127.0.0.1:PORT site_wsgi:application",
        example="django_site",
        preloaded=("django", "gunicorn.workers.sync"),
    ),
    "gunicorn-workers": Server(
        "app:app", "gunicorn -w 3 --bind 127.0.0.1:PORT app:app", FLASK, preloaded=("flask",)
    ),
    "gunicorn-uvicorn": Server(
        "app:app",
        "gunicorn -w 2 -k uvicorn.workers.UvicornWorker --bind 127.0.0.1:PORT app:app",
        ASGI,
        preloaded=("gunicorn", "uvicorn"),
    ),
    "hypercorn": Server(
        "app:app", "hypercorn --bind 127.0.0.1:PORT app:app", ASGI, preloaded=("hypercorn",)
    ),
    "django": Server(
        "site_wsgi:application",
        "manage.py runserver --noreload PORT",
        example="django_site",
        preloaded=("django",),
    ),
    "flask": Server(
        "app:app", "flask --app app run --port PORT", FLASK, preloaded=("flask", "werkzeug")
    ),
    "aiohttp": Server("app:app", "app.py PORT", AIOHTTP, preloaded=("aiohttp.web",)),
    "sanic": Server("app:app", "app.py PORT", SANIC, preloaded=("asyncio", "multiprocessing")),
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def project_of(starter, server: Server) -> Path:
    folder = starter.folder / "project"
    if server.example:
        shutil.copytree(EXAMPLES / server.example, folder)
    else:
        write(folder / "app.py", server.source)
    settle()
    return folder


def environment_of(starter, server: Server) -> dict[str, str]:
    """The folder of console scripts is on PATH."""
    scripts = str(Path(starter.python).parent)
    return {**starter.env, "PATH": f"{scripts}:{starter.env['PATH']}", **server.env}


def serve(words, env, folder, port, path="/health"):
    """Starts a service, asks it twice, stops it: its answers, its status, and what it said."""
    process = subprocess.Popen(
        words,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        answers = [ask(process, port, path) for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return answers, process.returncode, said.decode()


def ask(process, port, path):
    """Its answer; until it listens, connections are refused."""
    until = time.monotonic() + LIMIT
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionError:
            assert process.poll() is None and time.monotonic() < until, process.communicate()[0]
        finally:
            connection.close()


def frozen(starter, server: Server, folder: Path) -> Path:
    file = folder / "service.image"
    command = server.command.replace("PORT", str(free_port())).split()
    words = ["freeze", "-o", file, "--python", starter.python, "--app", server.app, "--", *command]
    (starter.folder / "home").mkdir(exist_ok=True)
    how = Conditions(timeout=300)
    outcome = run(starter.command(*words), environment_of(starter, server), folder, how)
    assert outcome.status == 0, outcome.errors()
    return file


@pytest.mark.parametrize("name", SERVERS)
def test_server(starter, built, name):
    server = SERVERS[name]
    inside = in_environment(starter, "services")
    folder = project_of(inside, server)
    file = frozen(inside, server, folder)
    assert set(server.preloaded) <= set(images.read(file).meta["modules"])
    env = environment_of(inside, server)
    port = free_port()
    command = server.command.replace("PORT", str(port)).split()
    scripts = Path(inside.python).parent
    first = scripts / command[0]
    plain = [inside.python, first if first.exists() else command[0], *command[1:]]
    answers, status, _ = serve(plain, env, folder, port)
    thaw = inside.command("thaw", file, "--explain", "--", *command)
    thawed_answers, thawed_status, said = serve(thaw, env, folder, port)
    assert "glowplug: thawed in" in said, said
    assert (thawed_answers, thawed_status) == (answers, status), said
    assert {answer[0] for answer in answers} == {200}


def test_celery_worker(starter, built):
    """A worker of several processes does a task that came through files, and stops when told to."""
    inside = in_environment(starter, "services")
    folder = starter.folder / "project"
    write(
        folder / "tasks.py",
        "import celery\n"
        "app = celery.Celery('tasks', broker='filesystem://')\n"
        "app.conf.broker_transport_options = {\n"
        "    f'{name}_folder': folder\n"
        "    for name, folder in (('data', 'queue'), ('control', 'control'))\n}\n"
        "for way in ('in', 'out'):\n"
        "    app.conf.broker_transport_options[f'data_folder_{way}'] = 'queue'\n"
        "@app.task\ndef add(a, b, path):\n"
        "    open(path + '.new', 'w').write(str(a + b))\n"
        "    import os\n    os.rename(path + '.new', path)\n",
    )
    for name in ("queue", "control"):
        (folder / name).mkdir(parents=True)
    settle()
    command = "celery -A tasks worker --concurrency 2 --without-gossip --without-mingle"
    server = Server("tasks:app", f"{command} --without-heartbeat --loglevel WARNING")
    words = ["freeze", "-o", folder / "tasks.image", "--python", inside.python, "--app", server.app]
    words += ["--until", "celery.worker:WorkController", "--", *server.command.split()]
    (starter.folder / "home").mkdir(exist_ok=True)
    env = environment_of(inside, server)
    outcome = run(inside.command(*words), env, folder, Conditions(timeout=300))
    assert outcome.status == 0, outcome.errors()
    scripts = Path(inside.python).parent
    starts = {
        "plain": [inside.python, scripts / "celery", *server.command.split()[1:]],
        "thawed": inside.command("thaw", "tasks.image", "--explain", "--", *server.command.split()),
    }
    ends = {}
    for way, words in starts.items():
        result = folder / way
        send = f"import tasks; tasks.add.delay(2, 3, {str(result)!r})"
        sent = run([inside.python, "-c", send], env, folder, Conditions(timeout=60))
        assert sent.status == 0, sent.errors()
        worker = subprocess.Popen(
            words, env=env, cwd=folder, stderr=subprocess.PIPE, start_new_session=True
        )
        until = time.monotonic() + LIMIT
        while not result.exists():
            assert worker.poll() is None and time.monotonic() < until, worker.communicate()[1]
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=LIMIT)
        ends[way] = (worker.returncode, result.read_text())
        assert way == "plain" or b"glowplug: thawed in" in said, said
    assert ends["plain"] == ends["thawed"]
    assert ends["plain"][1] == "5"


class Runtime(BaseHTTPRequestHandler):
    """As much of Lambda's runtime interface as one event takes."""

    answers: list[dict] = []

    def do_GET(self):
        if self.answers:
            # The client waits here for the next event, as in a frozen sandbox.
            time.sleep(LIMIT)
            return
        body = json.dumps({"items": [{"price": "1.10", "count": 3}]}).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + 60) * 1000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_lambda_handler(starter, built):
    """Through `wrapper.sh`, as AWS_LAMBDA_EXEC_WRAPPER starts it."""
    inside = in_environment(starter, "services")
    server = Server("handler:handle", "-m awslambdaric handler.handle", example="lambda_handler")
    folder = project_of(inside, server)
    variables = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_REGION": "eu-north-1"}
    server = Server(server.app, server.command, example=server.example, env=variables)
    file = frozen(inside, server, folder)
    file.rename(folder / "handler.image")
    (folder / "bin").mkdir()
    (folder / "bin" / "glowplug").symlink_to(inside.glowplug)
    found = []
    for words in (
        [inside.python, "-m", "awslambdaric", "handler.handle"],
        [folder / "wrapper.sh", inside.python, "-m", "awslambdaric", "handler.handle"],
    ):
        api = HTTPServer(("127.0.0.1", 0), Runtime)
        Runtime.answers = []
        threading.Thread(target=api.serve_forever, daemon=True).start()
        env = {
            **environment_of(inside, server),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_FUNCTION_NAME": "f",
        }
        client = subprocess.Popen(
            words, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + LIMIT
        while not Runtime.answers:
            assert client.poll() is None and time.monotonic() < until, client.communicate()[1]
        client.kill()
        client.communicate()
        found.append(Runtime.answers[0])
    assert found[0] == found[1] and json.loads(found[0]["body"])["total"] == "3.30"
