#!/usr/bin/env python3
"""The fork server and the pool against plain Python, interleaved: single starts, many at once,
their memory, that of sets which extend another, and a minute of starts in a row.

    benches/server.py GLOWPLUG PYTHON --json FILE [--case NAME] [--samples N] [--preloaded FOLDER]

PYTHON is an interpreter with pandas and scikit-learn. FOLDER is where python-preloaded's packages
lie (`pip install --target`); without it, it is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PRELOAD = "pandas,sklearn.linear_model"
SPARES = 4
PARALLEL = 50
WORKERS = 20
SECONDS = 60
# Of a minute of starts, one in so many is a plain one.
PLAIN_EVERY = 50
# What a start leaves to be done in the background is done before the next one is timed, seconds.
PAUSE = 0.05
WAITS = "import pandas, sklearn.linear_model, sys; print(1, flush=True); sys.stdin.read()"


class Server:
    """A server of a cache of its own, for as long as the context lasts."""

    def __init__(self, glowplug: str, python: str, env: dict[str, str], spares: int = SPARES):
        self.glowplug, self.python, self.env, self.spares = glowplug, python, env, spares

    def __enter__(self) -> Server:
        self._run(
            "serve", "--python", self.python, "--pool", str(self.spares), "--preload", PRELOAD
        )
        self.wait_until_full()
        return self

    def __exit__(self, *_) -> None:
        self._run("stop")

    def _run(self, *words: str) -> bytes:
        command = [self.glowplug, *words]
        return subprocess.run(command, env=self.env, check=True, stdout=subprocess.PIPE).stdout

    def report(self) -> dict:
        """What `glowplug status` says of it."""
        return json.loads(self._run("status", "--json"))[0]

    def wait_until_full(self) -> None:
        """Waits until all spares are ready."""
        while len(self.report()["spares"]) < self.spares:
            time.sleep(0.01)

    def command(self, way: str, code: str) -> list[str]:
        """A start by this server."""
        return [self.glowplug, "run", "--via", way, "--python", self.python, "-c", code]


class PythonPreloaded:
    """A server of python-preloaded, with the same imports."""

    def __init__(self, python: str, folder: str, work: Path, env: dict[str, str]):
        self.work = work
        self.env = {**env, "PYTHONPATH": folder, "PATH": f"{Path(python).parent}:{env['PATH']}"}
        self.binary = work / "python-preloaded.bin"
        (work / "one.py").write_text("print(1)\n")
        bundle = [python, f"{folder}/bin/py-preloaded-bundle-fork-server.py"]
        modules = PRELOAD.split(",")
        subprocess.run(
            [*bundle, *modules, "-o", self.binary.name], cwd=work, env=self.env, check=True
        )
        words = f"{python} {self.binary} {work}/one.py"
        # It works on a terminal only.
        self.words = ["script", "--quiet", "--return", "--command", words, "/dev/null"]

    def __enter__(self) -> PythonPreloaded:
        # The server has to outlive the terminal of its first start.
        subprocess.run(["nohup", *self.words], env=self.env, check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_) -> None:
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.binary) in command:
                os.kill(int(entry), signal.SIGKILL)


def timed(words: list[str], env: dict[str, str]) -> float:
    """Milliseconds of one start."""
    began = time.perf_counter()
    subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def starts(options, env, work) -> dict:
    """Single starts, the sides in turn."""
    preloaded = None
    apart = {**env, "GLOWPLUG_CACHE_DIR": f"{work}/apart"}
    with (
        Server(options.glowplug, options.python, env) as pool,
        Server(options.glowplug, options.python, apart, spares=0) as fork,
    ):
        sides = {
            "pool": (pool.command("pool", "print(1)"), env),
            "fork": (fork.command("fork", "print(1)"), apart),
            "python -c pass": ([options.python, "-c", "pass"], env),
        }
        if options.preloaded:
            preloaded = PythonPreloaded(options.python, options.preloaded, work, env).__enter__()
            sides["python-preloaded"] = (preloaded.words, preloaded.env)
        try:
            samples = {side: [] for side in sides}
            for number in range(options.samples + 5):
                for side, (words, its_env) in sides.items():
                    time.sleep(PAUSE)
                    taken = timed(words, its_env)
                    if number >= 5:
                        samples[side].append(taken)
        finally:
            if preloaded:
                preloaded.__exit__()
    medians = {side: statistics.median(taken) for side, taken in samples.items()}
    plain = medians["python -c pass"]
    bars = {
        "pool at most 0.35": medians["pool"] / plain,
        "fork at most 0.9": medians["fork"] / plain,
    }
    if preloaded:
        slower = medians["python-preloaded"] / medians["pool"]
        bars["python-preloaded at least 40 times the pool"] = slower
    return {"unit": "ms", "samples": samples, "medians": medians, "bars": bars}


def at_once(words: list[str], env: dict[str, str]) -> float:
    """Milliseconds until so many starts that were begun together have ended."""
    began = time.perf_counter()
    running = [
        subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        for _ in range(PARALLEL)
    ]
    if any(process.wait() for process in running):
        raise SystemExit(f"error: {words} fails")
    return (time.perf_counter() - began) * 1000


def parallel(options, env, _work) -> dict:
    """Many starts at once; the plain ones also one after the other."""
    with Server(options.glowplug, options.python, env) as server:
        plain = [options.python, "-c", "pass"]
        samples = {"pool": [], "plain": [], "plain, one after the other": []}
        for _ in range(max(options.samples // 10, 3)):
            server.wait_until_full()
            samples["pool"].append(at_once(server.command("pool", "print(1)"), env))
            samples["plain"].append(at_once(plain, env))
            row = sum(timed(plain, env) for _ in range(PARALLEL))
            samples["plain, one after the other"].append(row)
    medians = {side: statistics.median(taken) for side, taken in samples.items()}
    bars = {
        "at most 0.25": medians["pool"] / medians["plain"],
        "of one after the other": medians["pool"] / medians["plain, one after the other"],
    }
    return {"unit": "ms", "samples": samples, "medians": medians, "bars": bars}


def pss(pids: list[int]) -> int:
    """Proportional set size of processes, KiB, with all of the files of memory in which templates
    have their heaps: little of them may be mapped.
    """
    total, files = 0, {}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
            elif line.startswith("Pss_Shmem:"):
                total -= int(line.split()[1])
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "/memfd:glowplug-" in line:
                view = os.stat(f"/proc/{pid}/map_files/{line.split()[0]}")
                files[view.st_ino] = view.st_blocks // 2
    return total + sum(files.values())


def memory(options, env, _work) -> dict:
    """Programs that wait, with their server, template and clients; and plain ones."""

    def measured(words, others) -> int:
        pipe = subprocess.PIPE
        running = [
            subprocess.Popen(words, env=env, stdin=pipe, stdout=pipe) for _ in range(WORKERS)
        ]
        for process in running:
            assert process.stdout.readline() == b"1\n"
        total = pss([process.pid for process in running] + others())
        for process in running:
            process.stdin.close()
            assert process.wait() == 0
        return total

    with Server(options.glowplug, options.python, env) as server:

        def others() -> list[int]:
            report = server.report()
            processes = [one["pid"] for one in report["workers"] + report["spares"]]
            return [report["server"], report["template"], *processes]

        samples = {"pool": [measured(server.command("pool", WAITS), others)]}
    samples["plain"] = [measured([options.python, "-c", WAITS], list)]
    ratio = samples["pool"][0] / samples["plain"][0]
    return {"unit": "KiB", "samples": samples, "bars": {"at most 0.25": ratio}}


def sustained(options, env, _work) -> dict:
    """Starts in a row for a minute, by as many clients as there are processors; each now and then a
    plain one, as the machine itself may slow down meanwhile.
    """
    loop = (
        "import json, subprocess, sys, time\n"
        "seconds, every, plain, ours = json.loads(sys.argv[1])\n"
        "taken = {'pool': [], 'plain': []}\n"
        "end = time.monotonic() + seconds\n"
        "number = 0\n"
        "while time.monotonic() < end:\n"
        "    side = 'plain' if number % every == 0 else 'pool'\n"
        "    number += 1\n"
        "    began = time.perf_counter()\n"
        "    command = plain if side == 'plain' else ours\n"
        "    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)\n"
        "    taken[side].append((time.perf_counter() - began) * 1000)\n"
        "json.dump(taken, sys.stdout)\n"
    )
    with Server(options.glowplug, options.python, env) as server:
        before = server.report()
        plain = [options.python, "-c", "pass"]
        given = json.dumps([SECONDS, PLAIN_EVERY, plain, server.command("pool", "print(1)")])
        loops = [
            subprocess.Popen([sys.executable, "-c", loop, given], env=env, stdout=subprocess.PIPE)
            for _ in range(os.cpu_count() or 1)
        ]
        taken = [json.loads(one.communicate()[0]) for one in loops]
        after = server.report()

    def third(side: str, last: bool) -> float:
        parts = [
            one[side][-(len(one[side]) // 3) :] if last else one[side][: len(one[side]) // 3]
            for one in taken
        ]
        return statistics.median(ms for part in parts for ms in part)

    early, late = (
        {side: third(side, last) for side in ("pool", "plain")} for last in (False, True)
    )
    count = sum(len(one["pool"]) for one in taken)
    plain_seconds = statistics.mean(sum(one["plain"]) for one in taken) / 1000
    return {
        "unit": "ms",
        "starts": count,
        "starts a second": count / (SECONDS - plain_seconds),
        "ready": after["started_ready"] - before["started_ready"],
        "medians of the first third": early,
        "medians of the last third": late,
        "slowest": max(max(one["pool"]) for one in taken),
        "template, private bytes": [before["template_private"], after["template_private"]],
        "bars": {
            "drift of latency": (late["pool"] / late["plain"]) / (early["pool"] / early["plain"])
        },
    }


def branches(options, env, work) -> dict:
    """Two sets with pandas in common: forked from a template that has it, and each by itself."""
    extends = """
        [sets.common]
        preload = ["pandas"]
        [sets.one]
        extends = "common"
        preload = ["sklearn.linear_model"]
        [sets.other]
        extends = "common"
        preload = ["concurrent.futures.process", "xml.etree.ElementTree", "sqlite3"]
    """
    alone = extends.replace('extends = "common"', "").replace(
        "preload = [", 'preload = ["pandas", '
    )
    samples = {}
    for side, settings in (("extending", extends), ("alone", alone)):
        (work / "glowplug.toml").write_text(settings)
        for name in ("one", "other"):
            words = [options.glowplug, "run", "--via", "fork", "--python", options.python]
            command = [*words, "--set", name, "-c", "print(1)"]
            subprocess.run(command, env=env, cwd=work, check=True, stdout=subprocess.DEVNULL)
        told = subprocess.check_output([options.glowplug, "status", "--json"], env=env)
        pids = [one[process] for one in json.loads(told) for process in ("server", "template")]
        samples[side] = [pss(pids)]
        subprocess.run([options.glowplug, "stop"], env=env, check=True)
    ratio = samples["extending"][0] / samples["alone"][0]
    return {"unit": "KiB", "samples": samples, "bars": {"of templates by themselves": ratio}}


CASES = {
    "starts": starts,
    "parallel": parallel,
    "memory": memory,
    "branches": branches,
    "sustained": sustained,
}


def main() -> None:
    """Measures, and adds what it has measured to the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug", type=os.path.abspath)
    parser.add_argument("python")
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--preloaded")
    options = parser.parse_args()
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env["LANG"] = "C.UTF-8"
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for case in options.case or CASES:
        with tempfile.TemporaryDirectory() as scratch:
            env["GLOWPLUG_CACHE_DIR"] = f"{scratch}/cache"
            results[case] = CASES[case](options, env, Path(scratch))
            results[case]["command"] = f"benches/server.py GLOWPLUG PYTHON --case {case}"
            results[case]["machine"] = f"{os.cpu_count()} processors, {platform.platform()}"
        shown = {k: v for k, v in results[case].items() if k != "samples"}
        print(case, json.dumps(shown, indent=1), flush=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
