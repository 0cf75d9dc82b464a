#!/usr/bin/env python3
"""Time from the start of a service's process to its first answer, plainly and thawed, interleaved:
on a whole processor and on parts of one.

    benches/services.py GLOWPLUG PYTHON --json FILE [--rounds N] [--case NAME]

PYTHON is an interpreter with tests/packages/requirements/services.txt. Parts of a processor need a
cgroup that may be made: as root, version 1 or 2.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PERIOD_US = 100_000
PATIENCE = 180.0

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

# Name: source or example, application, command (SOCKET is a path), what is asked for.
SERVICES = {
    "fastapi": ("fastapi_service", "service:app", "uvicorn service:app --uds SOCKET", "/health"),
    "aiohttp": (AIOHTTP, "app:app", "app.py SOCKET", "/"),
    "sanic": (SANIC, "app:app", "app.py SOCKET", "/"),
}
# Name: service, share of a processor, memory limit in MiB, the least the plain start's time may be
# of the thawed one's, the most seconds a thawed one may take.
CASES = {
    "fastapi whole processor": ("fastapi", None, None, 15, None),
    "fastapi 20 %": ("fastapi", 0.2, None, 25, 0.4),
    "fastapi 10 %": ("fastapi", 0.1, None, 20, None),
    "aiohttp 10 %, 128 MB": ("aiohttp", 0.1, 128, None, 0.3),
    "sanic 10 %, 128 MB": ("sanic", 0.1, 128, None, 0.3),
}


class Share:
    """A cgroup with a part of a processor and of memory; a new one for each start, so that none has
    time in hand or owes any.
    """

    def __init__(self, share: float | None, megabytes: int | None):
        self.folders = []
        name = f"glowplug-bench-{os.getpid()}-{random.randrange(1 << 30)}"
        if share is not None:
            quota = int(share * PERIOD_US)
            self._make(
                "cpu",
                name,
                {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota},
                {"cpu.max": f"{quota} {PERIOD_US}"},
            )
        if megabytes is not None:
            limit = megabytes << 20
            self._make("memory", name, {"memory.limit_in_bytes": limit}, {"memory.max": limit})

    def _make(self, controller, name, version1, version2):
        root = Path("/sys/fs/cgroup")
        unified = (root / "cgroup.controllers").exists()
        folder = (root if unified else root / controller) / name
        if folder not in self.folders:
            folder.mkdir(exist_ok=True)
            self.folders.append(folder)
        for file, value in (version2 if unified else version1).items():
            (folder / file).write_text(str(value))

    def enter(self):
        """Called in the child before the service."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        """Once nothing lives in it."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def ask(path: str, what: str) -> None:
    """One request over a Unix socket; ConnectionError or FileNotFoundError where nobody listens."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    try:
        connection.sock.connect(path)
        connection.request("GET", what)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"error: {path} answers {answer.status}")
    finally:
        connection.close()


def first_answer(words, env, folder, what, share, megabytes) -> dict[str, float]:
    """Seconds from the process's start to its first answer, and its CPU seconds until it ends."""
    path = str(folder / "listening")
    Path(path).unlink(missing_ok=True)
    cgroup = Share(share, megabytes)
    words = [path if word == "SOCKET" else word for word in words]
    began = time.perf_counter()
    process = subprocess.Popen(
        words,
        env=env,
        cwd=folder,
        preexec_fn=cgroup.enter,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        while True:
            try:
                ask(path, what)
                break
            except (ConnectionError, FileNotFoundError):
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    raise SystemExit(f"error: {words}: {process.stderr.read()}") from None
                time.sleep(0.0005)
        wall = time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    process.stderr.close()
    cgroup.remove()
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def prepared(glowplug, python, name, folder, env) -> dict[str, list[str]]:
    """Makes the project and its image; the command of each side."""
    source, app, command, _ = SERVICES[name]
    if source.endswith("_service"):
        shutil.copytree(ROOT / "examples" / source, folder)
    else:
        folder.mkdir()
        (folder / "app.py").write_text(source)
    words = command.split()
    image = folder / "service.image"
    path = str(folder / "trial")
    trial = [path if word == "SOCKET" else word for word in words]
    subprocess.run([python, "-m", "compileall", "-q", folder], check=True, env=env)
    # What the imports read must be older than the image by the clock of the file system.
    time.sleep(1)
    freeze = [glowplug, "freeze", "-o", image, "--python", python, "--app", app, "--", *trial]
    subprocess.run(freeze, check=True, env=env, cwd=folder)
    script = Path(python).parent / words[0]
    plain = [python, str(script) if script.exists() else words[0], *words[1:]]
    return {"plain": plain, "thawed": [glowplug, "thaw", str(image), "--via", "thaw", "--", *words]}


def summary(case, samples) -> dict:
    """Medians, the ratio of the sides, and whether the bars hold."""
    _, _, _, ratio_bar, wall_bar = CASES[case]
    medians = {
        side: {
            kind: statistics.median(sample[kind] for sample in taken) for kind in ("wall", "cpu")
        }
        for side, taken in samples.items()
    }
    ratios = [
        p["wall"] / t["wall"] for p, t in zip(samples["plain"], samples["thawed"], strict=True)
    ]
    found = {
        "medians": medians,
        "times faster": statistics.median(ratios),
        "slowest thawed": max(sample["wall"] for sample in samples["thawed"]),
        "bars": {},
    }
    if ratio_bar:
        found["bars"][f"at least {ratio_bar} times faster"] = found["times faster"] >= ratio_bar
    if wall_bar:
        found["bars"][f"at most {wall_bar} s"] = medians["thawed"]["wall"] <= wall_bar
    return found


def main() -> None:
    """Measures the cases and writes samples and summaries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--json", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--case", action="append", choices=CASES)
    options = parser.parse_args()
    glowplug = str(Path(options.glowplug).absolute())
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env["PATH"] = f"{Path(options.python).parent}:{env['PATH']}"
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        env["GLOWPLUG_CACHE_DIR"] = f"{scratch}/cache"
        made = {}
        for case in options.case or CASES:
            name, share, megabytes, _, _ = CASES[case]
            folder = Path(scratch) / name
            if name not in made:
                made[name] = prepared(glowplug, options.python, name, folder, env)
            samples = {side: [] for side in made[name]}
            for _ in range(options.rounds):
                for side, words in made[name].items():
                    what = SERVICES[name][3]
                    taken = first_answer(words, env, folder, what, share, megabytes)
                    samples[side].append(taken)
            results[case] = {"samples": samples, **summary(case, samples)}
            found = results[case]
            print(
                case,
                {s: round(m["wall"], 3) for s, m in found["medians"].items()},
                f"{found['times faster']:.1f} times",
                found["bars"],
                flush=True,
            )
    command = " ".join(["benches/services.py", "GLOWPLUG", "PYTHON", *sys.argv[3:]])
    machine = f"{os.cpu_count()} processors, {platform.platform()}"
    report = {"command": command, "machine": machine, "cases": results}
    Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
