#!/usr/bin/env python3
"""What programs gain whose Pythons start through Glowplug, interleaved with plain ones: a Jupyter
kernel until it has answered, a Dask cluster until its two workers have, a PySpark stage whose
workers are new. And what a shim costs a start, beside `glowplug run`.

    benches/integrations.py GLOWPLUG PYTHON --json FILE [--rounds N] [--case NAME]

PYTHON is an interpreter of an environment with what tests/packages/requirements/hooks.txt and
spark.txt name. Samples are added to those that FILE has.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# As docs/integrations.md has them.
MODULES = {
    "jupyter": "ipykernel.ipkernel,ipykernel.zmqshell,ipykernel.parentpoller,IPython",
    "dask": "distributed.nanny,distributed,pandas",
    "pyspark": "pandas,pyarrow,pyspark.worker,pyspark.daemon",
}
# Each is run by the environment's own interpreter with the interpreter to be measured as argument,
# and prints seconds.
DRIVERS = {
    "jupyter": """\
import json, sys, tempfile, time
from pathlib import Path
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
with tempfile.TemporaryDirectory() as folder:
    spec = Path(folder, "kernels", "tested")
    spec.mkdir(parents=True)
    argv = [sys.argv[1], "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = {"argv": argv, "display_name": "t", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(text))
    specs = KernelSpecManager(kernel_dirs=[str(spec.parent)], ensure_native_kernel=False)
    kernel = KernelManager(kernel_name="tested", kernel_spec_manager=specs)
    began = time.perf_counter()
    kernel.start_kernel()
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    client.execute_interactive("1 + 1", timeout=120, output_hook=lambda message: None)
    took = time.perf_counter() - began
    kernel.shutdown_kernel(now=True)
    client.stop_channels()
print(took)
""",
    "dask": """\
import sys, time
from multiprocessing import spawn
from distributed import Client, LocalCluster
if __name__ == "__main__":
    spawn.set_executable(sys.argv[1])
    began = time.perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, \\
            Client(cluster) as client:
        client.run(__import__, "pandas")
        print(time.perf_counter() - began)
""",
    "pyspark": """\
import os, sys, time
os.environ["PYSPARK_PYTHON"] = sys.argv[1]
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
builder = builder.config("spark.driver.host", "127.0.0.1")
builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
# What the virtual machine does for the first stage is no matter of the workers.
spark.range(10).count()
def frames(parts):
    for part in parts:
        yield part * 2
began = time.perf_counter()
spark.range(10).mapInPandas(frames, "id long").collect()
print(time.perf_counter() - began)
spark.stop()
""",
}
COMMAND = "benches/integrations.py GLOWPLUG PYTHON --json FILE"
# A start of a program with a few imports, for what a shim costs.
SCRIPT = "import argparse\nimport email.message\nimport json\nprint(1)\n"


def measured(command, env) -> tuple[str, dict[str, float]]:
    """What a command printed, and its wall and CPU seconds with those of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"error: {command} ends with {done.returncode}:\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, {"wall": wall, "cpu": cpu}


def wait_for_images(env) -> None:
    """Until no freezer works for this cache: none holds a lock."""
    for path in Path(env["GLOWPLUG_CACHE_DIR"], "images").glob("*.lock"):
        with contextlib.suppress(FileNotFoundError), path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def of_program(name: str, glowplug: str, python: str, rounds: int, folder: Path, env):
    """Yields samples of a driver, by the interpreter itself and by a bundle."""
    bundle = str(folder / f"python-{name}")
    words = [glowplug, "bundle", MODULES[name], "-o", bundle, "--python", python]
    subprocess.run(words, env=env, check=True, capture_output=True)
    driver = folder / f"{name}_driver.py"
    driver.write_text(DRIVERS[name])
    for _ in range(2):
        measured([python, driver, bundle], env)
        wait_for_images(env)
    for _ in range(rounds):
        for side, interpreter in (("plain", python), ("glowplug", bundle)):
            said, used = measured([python, driver, interpreter], env)
            took = float(said.split()[-1])
            yield side, {"wall": took, "cpu of all": used["cpu"]}


def of_shim(glowplug: str, python: str, rounds: int, folder: Path, env):
    """Yields samples of starts by plain python, by `glowplug run` and by a shim."""
    venvs = {side: folder / side for side in ("bare", "shimmed")}
    for venv in venvs.values():
        subprocess.run([python, "-m", "venv", "--without-pip", venv], env=env, check=True)
    install = [glowplug, "shim", "install", venvs["shimmed"]]
    subprocess.run(install, env=env, check=True, capture_output=True)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    bare, shimmed = (str(venv / "bin" / "python3") for venv in venvs.values())
    sides = {
        "plain": [bare, script],
        "run": [glowplug, "run", "--python", bare, script],
        "shim": [shimmed, script],
        "shim, plain": [shimmed, script],
    }
    environments = dict.fromkeys(sides, env)
    environments["shim, plain"] = {**env, "GLOWPLUG_VIA": "plain"}
    for _ in range(2):
        for side, command in sides.items():
            measured(command, environments[side])
        wait_for_images(env)
    for _ in range(rounds * 20):
        for side, command in sides.items():
            yield side, measured(command, environments[side])[1]


def medians(samples):
    """The median of each measure of each side."""
    return {
        side: {key: statistics.median(one[key] for one in all_) for key in all_[0]}
        for side, all_ in samples.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", action="append", choices=[*DRIVERS, "shim"])
    options = parser.parse_args()
    kept = json.loads(options.json.read_text()) if options.json.exists() else {"cases": {}}
    kept["machine"] = f"{os.cpu_count()} processors, {platform.platform()}"
    for name in options.case or [*DRIVERS, "shim"]:
        with tempfile.TemporaryDirectory() as folder:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
            env = {**clean, "GLOWPLUG_CACHE_DIR": f"{folder}/cache"}
            arguments = (options.glowplug, options.python, options.rounds, Path(folder), env)
            samples = of_shim(*arguments) if name == "shim" else of_program(name, *arguments)
            # Each is kept at once: a long bench may be ended from outside.
            for side, sample in samples:
                case = kept["cases"].setdefault(name, {"samples": {}})
                case["command"] = (
                    f"benches/integrations.py GLOWPLUG PYTHON --json FILE --case {name}"
                )
                add(case, side, sample)
                options.json.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(kept["cases"][name]["medians"]))


def add(case, side: str, sample) -> None:
    """Adds a sample of a side to those of a case."""
    case["samples"].setdefault(side, []).append(sample)
    case["medians"] = medians(case["samples"])


if __name__ == "__main__":
    main()
