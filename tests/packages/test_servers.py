"""Real servers with real applications: each is frozen by its usual command, answers thawed as it
does plainly, and stops as gracefully.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import images
from harness.build import ROOT
from harness.clock import settle, write
from harness.environments import in_environment
from harness.ports import free_port
from harness.running import Conditions, run
from harness.service import ask

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
    "sanic": Server("app:app", "app.py PORT", SANIC, preloaded=("sanic", "sanic.logging.color")),
}


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


IMPORTS = """\
import sys
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.modules = set(sys.modules)
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/health")
def health():
    return sorted(set(sys.modules) - app.state.modules)
"""


def test_what_the_first_request_would_import(starter, built):
    """anyio imports what belongs to its event loop when it is first called: in a request."""
    server = Server("app:app", "uvicorn app:app --port PORT", IMPORTS)
    inside = in_environment(starter, "services")
    folder = project_of(inside, server)
    file = frozen(inside, server, folder)
    env = environment_of(inside, server)
    port = free_port()
    command = server.command.replace("PORT", str(port)).split()
    scripts = Path(inside.python).parent
    plain = [inside.python, scripts / command[0], *command[1:]]
    answers, _, _ = serve(plain, env, folder, port)
    assert "anyio._backends._asyncio" in json.loads(answers[0][1])
    thaw = inside.command("thaw", file, "--via", "thaw", "--", *command)
    answers, _, said = serve(thaw, env, folder, port)
    assert json.loads(answers[0][1]) == [], said


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


def test_words_of_sanic(starter, built):
    """sanic asks whether hypercorn serves it by trio, and by what its log can be coloured."""
    server = SERVERS["sanic"]
    inside = in_environment(starter, "services")
    folder = project_of(inside, server)
    file = frozen(inside, server, folder)
    meta = images.read(file).meta
    assert {"==hypercorn", "=="} <= set(meta["env_names"])
    env = environment_of(inside, server)
    for command in ("app.py PORT hypercorn", "hypercorn.py PORT"):
        write(folder / "hypercorn.py", (folder / "app.py").read_text())
        port = free_port()
        words = command.replace("PORT", str(port)).split()
        thaw = inside.command("thaw", file, "--explain", "--", *words)
        _, _, said = serve(thaw, env, folder, port)
        assert "glowplug: plain: " in said and "hypercorn" in said, said


def test_colours_of_sanic(starter, built):
    """On a terminal sanic's log is coloured, whatever it was frozen for."""
    server = SERVERS["sanic"]
    inside = in_environment(starter, "services")
    folder = project_of(inside, server)
    file = frozen(inside, server, folder)
    port = free_port()
    words = inside.command("thaw", file, "--explain", "--", "app.py", str(port))
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        words,
        env=environment_of(inside, server),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        assert ask(process, port, "/health")[0] == 200
        assert b"\033[" in os.read(controller, 1 << 16)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        os.close(controller)
    assert b"glowplug: plain: a standard stream is a terminal" in said


def test_lambda_handler(starter, built):
    """Through `wrapper.sh`, as AWS_LAMBDA_EXEC_WRAPPER starts it."""
    inside = in_environment(starter, "services")
    address = f"127.0.0.1:{free_port()}"
    variables = {"AWS_LAMBDA_RUNTIME_API": address, "AWS_REGION": "eu-north-1"}
    server = Server(
        "handler:handle",
        "-m awslambdaric handler.handle",
        example="lambda_handler",
        env=variables,
    )
    folder = project_of(inside, server)
    file = frozen(inside, server, folder)
    file.rename(folder / "handler.image")
    # As the wrapper starts it, and explained.
    start = f'#!/bin/sh\nimage=$2; shift 2\nexec {inside.glowplug} thaw "$image" --explain "$@"\n'
    write(folder / "bin" / "glowplug", start).chmod(0o755)
    env = {**environment_of(inside, server), "LAMBDA_TASK_ROOT": str(folder)}
    client = [inside.python, "-m", "awslambdaric", "handler.handle"]
    event = json.dumps({"items": [{"price": "1.10", "count": 3}]})
    invoke = [inside.python, "invoke.py", event]
    plain, thawed = (
        run([*invoke, *words], env, folder) for words in (client, [folder / "wrapper.sh", *client])
    )
    assert "glowplug: thawed in" in thawed.errors(), thawed.errors()
    assert plain.text() == thawed.text()
    assert json.loads(json.loads(plain.text())["body"])["total"] == "3.30"
