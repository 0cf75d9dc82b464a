"""Threads that use pending names at once: one execution of each module, no wrong value."""

from __future__ import annotations

from pathlib import Path

import pytest
from lazily import LazyPython, chosen

NAMES, ROUNDS, THREADS = 100, 100, 8

PROGRAM = f"""
import gc, sys, threading
gc.set_threshold(1)
sys.setswitchinterval(1e-6)
source = "".join(f"import s{{i}}\\nfrom s{{i}} import v as v{{i}}\\n" for i in range({NAMES}))
source += "def use(i): return uses[i]()\\n"
source += "uses = [" + ", ".join(f"lambda: (s{{i}}.v, v{{i}})" for i in range({NAMES})) + "]\\n"
open("lazy_user.py", "w").write(source)
for i in range({NAMES}):
    open(f"s{{i}}.py", "w").write(f"import counts\\ncounts.ran[{{i}}] += 1\\nv = {{i}}\\n")
open("counts.py", "w").write("ran = [0] * {NAMES}\\n")
import importlib
importlib.invalidate_caches()
import counts
wrong = []
def work(user, start, barrier):
    barrier.wait()
    for k in range({NAMES}):
        i = (start + k) % {NAMES}
        if user.use(i) != (i, i):
            wrong.append(i)
gc_rounds = 3
for turn in range({ROUNDS}):
    if turn == gc_rounds:
        gc.set_threshold(700)
    for name in [n for n in sys.modules if n == "lazy_user" or n[0] == "s" and n[1:].isdigit()]:
        del sys.modules[name]
    counts.ran[:] = [0] * {NAMES}
    user = importlib.import_module("lazy_user")
    assert not any(counts.ran), "eager"
    barrier = threading.Barrier({THREADS})
    threads = [
        threading.Thread(target=work, args=(user, t * 13, barrier)) for t in range({THREADS})
    ]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert counts.ran == [1] * {NAMES}, counts.ran
assert not wrong
print("fine")
"""


@pytest.mark.parametrize("python", [p for p in chosen() if not p.is_native], ids=lambda p: p.name)
def test_threads_share_one_execution(python: LazyPython, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(PROGRAM)
    run = python.run("main.py", cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == b"fine\n"
