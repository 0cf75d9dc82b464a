"""What `[tool.glowplug.lazy]` says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """Modules that are lazy by name, importers that stay eager, modules to load after the start."""

    modules: list[str]
    exclude: list[str]
    warm: list[str]


def configured() -> Settings:
    """The settings of the `pyproject.toml` or `glowplug.toml` nearest to the program."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    start = Path(main).resolve().parent if main else Path.cwd()
    for folder in (start, *start.parents):
        for file, keys in (
            ("glowplug.toml", ("lazy",)),
            ("pyproject.toml", ("tool", "glowplug", "lazy")),
        ):
            table = _table(folder / file, keys)
            if table is not None:
                return _read(table, folder / file)
    return Settings([], [], [])


def _table(path: Path, keys: Iterable[str]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        import tomllib
    except ImportError:
        try:
            import tomli as tomllib  # type: ignore
        except ImportError:
            return None
    table: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _read(table: dict[str, Any], path: Path) -> Settings:
    lists = []
    for key in ("modules", "exclude", "warm"):
        value = table.get(key, [])
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise ValueError(f"{path}: `{key}` must be a list of names")
        lists.append(entries)
    modules, exclude, warm = lists
    return Settings(expand(modules, path.parent), exclude, warm)


def expand(entries: Iterable[str], folder: Path | None = None) -> list[str]:
    """The entries, and instead of each file of requirements the modules of what it requires."""
    expanded: list[str] = []
    for entry in entries:
        if entry.endswith(".txt"):
            expanded += _required((folder or Path.cwd()) / entry)
        else:
            expanded.append(entry)
    return expanded


def _required(path: Path) -> list[str]:
    from importlib.metadata import PackageNotFoundError, files

    modules: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        if not found:
            continue
        try:
            installed = files(found[1]) or []
        except PackageNotFoundError:
            # Its module can only be guessed at, and where the guess is wrong nothing happens.
            modules.append(re.sub(r"[-.]", "_", found[1]).lower())
            continue
        modules += sorted({top for file in installed if (top := _top_level(file.parts))})
    return modules


def _top_level(parts: tuple[str, ...]) -> str | None:
    first = parts[0]
    if len(parts) == 1:
        name, dot, suffix = first.partition(".")
        return name if dot and suffix.split(".")[-1] in ("py", "so") else None
    return first if first.isidentifier() and first != "__pycache__" else None
