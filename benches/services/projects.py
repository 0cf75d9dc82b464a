"""The services that are measured: their source, the usual command that serves them, their image."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

AIOHTTP = """\
import sys
from aiohttp import web

async def hello(request):
    return web.Response(text="hello")

app = web.Application()
app.router.add_get("/", hello)

if __name__ == "__main__":
    web.run_app(app, path=sys.argv[1], print=None)
"""
SANIC = """\
import sys
from sanic import Sanic, response

app = Sanic("hello")

@app.get("/")
async def hello(request):
    return response.text("hello")

if __name__ == "__main__":
    app.run(unix=sys.argv[1], single_process=True, motd=False, access_log=False)
"""
# sanic compiles its own source anew when it starts, to leave out what the application does not use.
# That is no import, and is done at each start, unless its configuration says not to.
SANIC_AS_WRITTEN = SANIC.replace(
    'app = Sanic("hello")\n', 'app = Sanic("hello")\napp.config.TOUCHUP = False\n'
)


@dataclass(frozen=True)
class Project:
    """A service. SOCKET in its command stands for the path of its socket, PORT for a port."""

    app: str
    command: str
    health: str
    source: str | None = None
    example: str | None = None
    others: tuple[str, ...] = ()
    """What is asked for besides."""


UVICORN = "uvicorn service:app --log-level warning --uds SOCKET"
UVICORN_ON_PORT = "uvicorn service:app --log-level warning --no-access-log --port PORT"
GUNICORN = "gunicorn -w 8 -k uvicorn.workers.UvicornWorker --bind unix:SOCKET service:app"
FASTAPI = ("/mean?numbers=1,2,3", "/queue")
PROJECTS = {
    "fastapi": Project(
        "service:app", UVICORN, "/health", example="fastapi_service", others=FASTAPI
    ),
    "fastapi-port": Project("service:app", UVICORN_ON_PORT, "/health", example="fastapi_service"),
    "fastapi-gunicorn": Project(
        "service:app", GUNICORN, "/health", example="fastapi_service", others=FASTAPI
    ),
    "aiohttp": Project("app:app", "app.py SOCKET", "/", source=AIOHTTP),
    "sanic": Project("app:app", "app.py SOCKET", "/", source=SANIC),
    "sanic-as-written": Project("app:app", "app.py SOCKET", "/", source=SANIC_AS_WRITTEN),
}


@dataclass(frozen=True)
class Prepared:
    """A project in its folder, with its image."""

    project: Project
    folder: Path
    image: Path
    env: dict[str, str]
    sides: dict[str, list[str]]
    """The command of the plain service and of the thawed one, with SOCKET or PORT."""


def environment(python: str, scratch: Path) -> dict[str, str]:
    """What services get: nothing that a shell says to every Python, and the console scripts beside
    `python` first on PATH.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env["PATH"] = f"{Path(python).parent}:{env['PATH']}"
    env["GLOWPLUG_CACHE_DIR"] = str(scratch / "cache")
    return env


def prepare(name: str, glowplug: str, python: str, scratch: Path) -> Prepared:
    """Makes a project's folder in `scratch` and freezes it there."""
    project = PROJECTS[name]
    env = environment(python, scratch)
    folder = scratch / name
    if project.example:
        shutil.copytree(ROOT / "examples" / project.example, folder)
    else:
        folder.mkdir()
        (folder / "app.py").write_text(project.source)
    words = project.command.split()
    image = folder / "service.image"
    subprocess.run([python, "-m", "compileall", "-q", folder], check=True, env=env)
    # What the imports read must be older than the image by the clock of the file system.
    time.sleep(1)
    freeze = [glowplug, "freeze", "-o", image, "--python", python, "--app", project.app, "--"]
    trial = at("0" if "PORT" in words else folder / "trial", words)
    subprocess.run([*freeze, *trial], check=True, env=env, cwd=folder)
    script = Path(python).parent / words[0]
    first = str(script) if script.exists() else words[0]
    sides = {
        "plain": [python, first, *words[1:]],
        "thawed": [glowplug, "thaw", str(image), "--via", "thaw", "--", *words],
    }
    return Prepared(project, folder, image, env, sides)


def at(place: Path | str, words: list[str]) -> list[str]:
    """The words with a socket's path, or a port, where SOCKET or PORT stands."""
    return [word.replace("SOCKET", str(place)).replace("PORT", str(place)) for word in words]
