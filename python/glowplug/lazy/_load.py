"""Finds and loads the extension for this interpreter."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_loaded: Any = None


def native() -> Any:
    """The extension. ImportError says why there is none."""
    global _loaded
    if _loaded is None:
        _loaded = _load(_file())
    return _loaded


def _file() -> Path:
    if sys.implementation.name != "cpython":
        raise ImportError(f"this is {sys.implementation.name}; lazy imports need CPython")
    name = "python-%d.%d.so" % sys.version_info[:2]
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    raise ImportError("the extension for Python %d.%d is not installed" % sys.version_info[:2])


def _folders() -> Iterator[Path]:
    named = os.environ.get("GLOWPLUG_RUNTIME")
    if named:
        yield Path(named)
        return
    # Below the prefix of the installation or, in a checkout, below `build`.
    for parent in Path(__file__).resolve().parents:
        yield parent / "lib" / "glowplug"
        yield parent / "build" / "lib" / "glowplug"


def _load(path: Path) -> Any:
    name = "glowplug.lazy._native"
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, str(path), loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
