"""Profiles that nobody measured, of any size, for tests of what shows profiles; their form is that
of docs/schema/profile.schema.json.
"""

from __future__ import annotations

import random
from typing import Any

MS = 1_000_000
PHASES = ("find", "read", "unmarshal", "compile", "dlopen", "body", "other")
WORDS = "core api util models routing schema client types io parser codec views admin".split()


def cost(cpu_ns: int) -> dict[str, int]:
    return {
        "wall_ns": cpu_ns + cpu_ns // 16,
        "cpu_ns": cpu_ns,
        "rss_bytes": cpu_ns // 64,
        "allocations": cpu_ns // 5000,
        "allocated_bytes": cpu_ns // 80,
        "files_opened": 1,
        "bytes_read": cpu_ns // 400,
        "minor_faults": cpu_ns // 100_000,
        "major_faults": 0,
        "gc_ns": cpu_ns // 40,
    }


def add(one: dict[str, int], other: dict[str, int]) -> None:
    for key, value in other.items():
        one[key] += value


def module(name: str, parent: int | None, cpu_ns: int, **more: Any) -> dict[str, Any]:
    own = cost(cpu_ns)
    spans = {phase: {"wall_ns": 0, "cpu_ns": 0} for phase in PHASES}
    for phase, share in (("find", 8), ("read", 12), ("unmarshal", 5)):
        spans[phase] = {"wall_ns": own["wall_ns"] // share, "cpu_ns": cpu_ns // share}
    spent = [sum(span[key] for span in spans.values()) for key in ("wall_ns", "cpu_ns")]
    spans["body"] = {"wall_ns": own["wall_ns"] - spent[0], "cpu_ns": cpu_ns - spent[1]}
    saving = {key: own[key] for key in ("cpu_ns", "wall_ns", "rss_bytes")} | {"modules": 1}
    return {
        "name": name,
        "file": f"/srv/venv/lib/python3.12/site-packages/{name.replace('.', '/')}.py",
        "kind": "source" if parent is not None else "program",
        "package": False,
        "thread": 0,
        "parent": parent,
        "start_ns": 0,
        "own": own,
        "cumulative": dict(own),
        "phases": spans,
        "bytecode": "cached",
        "outcome": "loaded",
        "cycle": None,
        "usage": "used",
        "exclusive": saving,
        "spread": None,
    } | more


def edge(importer: int, imported: int, line: int, *, first: bool = False) -> dict[str, Any]:
    return {
        "importer": importer,
        "module": imported,
        "file": "/srv/app.py",
        "line": line,
        "thread": 0,
        "kind": "statement",
        "first": first,
        "in_function": False,
    }


def profile(modules: list[dict[str, Any]], edges: list[dict[str, Any]]) -> dict[str, Any]:
    """A profile of one process; cumulative costs and beginnings are computed here."""
    for load in reversed(modules[1:]):
        add(modules[load["parent"]]["cumulative"], load["cumulative"])
    free = [0] * len(modules)
    for index, load in enumerate(modules[1:], 1):
        load["start_ns"] = free[index] = free[load["parent"]]
        free[load["parent"]] += load["cumulative"]["wall_ns"]
    total = modules[0]["cumulative"]
    times = {key: total[key] for key in ("wall_ns", "cpu_ns")}
    return {
        "format": "glowplug-profile",
        "version": 1,
        "run": {
            "command": ["app.py", "--serve"],
            "folder": "/srv",
            "interpreter": "/srv/venv/bin/python3",
            "started_unix": 1_767_225_600,
            "runs": 1,
            **times,
            "each": [times | {"throttled_ns": 0}],
            "exit": {"status": 0},
            "overhead": {"cpu_ns": 3 * MS, "fraction": 0.021, "usage_marks": True},
            "constraint": None,
            "cold": False,
            "notes": [],
        },
        "processes": [
            {
                "pid": 4242,
                "parent": None,
                "argv": ["python3", "app.py", "--serve"],
                "python": "3.12.1",
                **times,
                "partial": False,
                "threads": [
                    {"tid": 4242, "name": "python3", "total": total, "outside": modules[0]["own"]}
                ],
                "modules": modules,
                "edges": edges,
                "cycles": [],
                "path_entries": [],
                "findings": [],
            }
        ],
    }


def large(count: int) -> dict[str, Any]:
    """`count` modules in packages of packages; every tenth is imported by others as well."""
    numbers = random.Random(7)
    modules = [module("__main__", None, 40 * MS, file="/srv/app.py")]
    edges = []
    for index in range(1, count + 1):
        parent = max(0, index - 1 - int(numbers.paretovariate(0.6))) if index > 12 else 0
        above = modules[parent]["name"] if parent else f"package{index}"
        name = f"{above}.{numbers.choice(WORDS)}{index}" if parent else above
        if name.count(".") > 4:
            name = f"package{index % 12}.{numbers.choice(WORDS)}{index}"
        own = int(numbers.lognormvariate(11.5, 1.5))
        modules.append(module(name, parent, own))
        edges.append(edge(parent, index, 3 + index % 90, first=True))
        if index % 10 == 0 and index > 20:
            edges.append(edge(numbers.randrange(1, index), index, 7))
    return profile(modules, edges)
