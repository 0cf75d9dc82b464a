"""Gives an older CPython the names that Python 3.15's own tests of lazy imports use."""

import os
import sys
import types

import test

test.__path__.append(os.environ["LAZY_SUITE"])

import glowplug.lazy as lazy  # noqa: E402

MODE = sys._xoptions.get("lazy_imports") or os.environ.get("PYTHON_LAZY_IMPORTS") or "normal"

if os.environ.get("LAZY_SHIM") == "nothing":
    # What passes with this tells nothing.
    kept = {"mode": "normal", "filter": None}
    sys.set_lazy_imports = lambda mode: kept.update(mode=mode)
    sys.get_lazy_imports = lambda: kept["mode"]
    sys.set_lazy_imports_filter = lambda filter: kept.update(filter=filter)
    sys.get_lazy_imports_filter = lambda: kept["filter"]
    sys.lazy_modules = set()
else:
    lazy.install(MODE if MODE in ("all", "normal") else "normal")
    for name in (
        "set_lazy_imports",
        "get_lazy_imports",
        "set_lazy_imports_filter",
        "get_lazy_imports_filter",
        "lazy_modules",
    ):
        setattr(sys, name, getattr(lazy, name))
types.LazyImportType = lazy.LazyImportType
