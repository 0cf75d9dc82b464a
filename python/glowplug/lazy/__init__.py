"""Lazy imports with the semantics of PEP 810 on CPython 3.9 and later.

    import glowplug.lazy
    glowplug.lazy.install()

From there on an import statement at the level of a module loads nothing: the module is loaded when
a name that the statement bound is used first. On Python 3.15 the interpreter's own lazy imports do
the work, and the functions below are those of ``sys``.

Modules that are imported before ``install`` was called, and imports in functions, classes and
``try`` statements, are as eager as ever.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable, Iterable, MutableSet
from typing import TYPE_CHECKING, Any, Optional

from . import _filter, _load, _policy, _settings

if TYPE_CHECKING:
    import threading

__all__ = [
    "LazyImportType",
    "get_lazy_imports",
    "get_lazy_imports_filter",
    "install",
    "lazy_modules",
    "pending",
    "set_lazy_imports",
    "set_lazy_imports_filter",
    "warm",
]

_Filter = Callable[[str, str, Optional[tuple[str, ...]]], bool]

_IS_NATIVE = hasattr(sys, "set_lazy_imports")

lazy_modules: MutableSet[str]
"""Names of modules that have been imported lazily and are not loaded yet."""


class _State:
    """Why imports stay eager, once that is known, and whether that has been said."""

    native: Any = None
    reason: str | None = None


def install(
    mode: str | None = None,
    *,
    modules: Iterable[str] = (),
    exclude: Iterable[str] = (),
    policy: bool = True,
) -> bool:
    """Makes imports lazy from here on, and says whether that is possible.

    ``mode`` is ``"all"`` for every import, or ``"normal"`` for those that ``__lazy_modules__`` or
    ``modules`` name; without it, ``"normal"`` where modules are named, else ``"all"``. ``modules``
    are lazy whatever the mode: names, which stand for their submodules as well, patterns with
    ``*``, or the path of a ``requirements.txt``. ``exclude`` names importers whose imports stay
    eager. ``[tool.glowplug.lazy]`` in ``pyproject.toml`` adds to both. Importers of popular
    packages that are known to break stay eager too, unless ``policy`` is false.

    Where lazy imports are impossible (PyPy, free-threaded builds, subinterpreters, unknown
    versions), imports stay eager, and one ``RuntimeWarning`` says why.
    """
    if mode not in ("all", "normal", None):
        raise ValueError(f"mode must be 'all' or 'normal', not {mode!r}")
    given = [modules] if isinstance(modules, str) else list(modules)
    lazy = _settings.expand(given)
    eager = list(exclude)
    configured = _settings.configured()
    lazy += configured.modules
    eager += configured.exclude
    if policy:
        eager += _policy.EAGER
    if mode is None:
        mode = "normal" if lazy else "all"
    if _IS_NATIVE:
        _filter.install(mode, lazy, eager)
        return True
    reason = _start(mode, eager, lazy)
    if reason is None:
        return True
    if _State.reason is None:
        _State.reason = reason
        warnings.warn(f"imports stay eager: {reason}", RuntimeWarning, stacklevel=2)
    return False


def _start(mode: str, eager: list[str], lazy: list[str]) -> str | None:
    try:
        native = _load.native()
    except ImportError as error:
        return str(error)
    reason: str | None = native.install(mode, eager, lazy, -1)
    if reason is None:
        _State.native = native
    return reason


def _native() -> Any:
    """The extension; installed, with no import lazy that nothing marks, where it was not."""
    if _State.native is None:
        reason = _start("normal", [], [])
        if reason is not None:
            raise RuntimeError(f"lazy imports are not supported: {reason}")
    return _State.native


def warm(names: Iterable[str] = ()) -> threading.Thread:
    """Loads modules in a thread of its own, so that no request has to wait for them.

    To be called when a service is up and has made its children. Beside ``names`` those are loaded
    that ``[tool.glowplug.lazy] warm`` lists. A module that cannot be imported is left to its first
    use. Returns the thread, which is a daemon.
    """
    import importlib
    import threading

    wanted = [*names, *_settings.configured().warm]

    def load() -> None:
        for name in wanted:
            try:
                importlib.import_module(name)
            except Exception:
                # Whoever uses it is told.
                continue

    thread = threading.Thread(target=load, name="glowplug.lazy.warm", daemon=True)
    thread.start()
    return thread


class LazyImportType:
    """What a pending name stands for. It only shows itself where one asks for it: see `pending`."""

    __slots__ = ("_globals", "_name", "_target")

    def __init__(self, *_: object) -> None:
        raise TypeError("cannot create 'lazy_import' instances")

    def resolve(self) -> Any:
        """Imports the object, binds the name to it, and returns it."""
        return _native().resolve(self._globals, self._name)

    def __repr__(self) -> str:
        return f"<lazy_import {self._target!r}>"


LazyImportType.__name__ = LazyImportType.__qualname__ = "lazy_import"


def pending(module: types.ModuleType | dict[str, Any]) -> dict[str, Any]:
    """The names of a module, or of its dict, that are pending, without loading any of them."""
    namespace: dict[str, Any] = vars(module) if isinstance(module, types.ModuleType) else module
    if _IS_NATIVE:
        kind = types.LazyImportType  # type: ignore[attr-defined]
        return {name: value for name, value in namespace.items() if type(value) is kind}
    found = {}
    for name, target in _native().pending(namespace).items():
        lazy = object.__new__(LazyImportType)
        lazy._globals, lazy._name, lazy._target = namespace, name, target
        found[name] = lazy
    return found


def set_lazy_imports(mode: str) -> None:
    """Like `sys.set_lazy_imports` of Python 3.15: ``"all"`` or ``"normal"``."""
    if not isinstance(mode, str):
        raise TypeError("mode must be a string: 'normal' or 'all'")
    if mode not in ("all", "normal"):
        raise ValueError("mode must be 'normal' or 'all'")
    _native().set_mode(mode)


def get_lazy_imports() -> str:
    """Like `sys.get_lazy_imports` of Python 3.15."""
    mode: str = _native().mode()
    return mode


def set_lazy_imports_filter(filter: _Filter | None) -> None:
    """Like `sys.set_lazy_imports_filter` of Python 3.15.

    The filter is called with the importing module's name, the absolute name of the module that is
    imported, and the names that are taken from it or None. What it makes of it decides whether the
    statement is lazy; its exceptions propagate.
    """
    if filter is not None and not callable(filter):
        raise ValueError("the filter must be callable or None")
    _native().set_filter(filter)


def get_lazy_imports_filter() -> _Filter | None:
    """Like `sys.get_lazy_imports_filter` of Python 3.15."""
    filter: _Filter | None = _native().filter()
    return filter


if _IS_NATIVE:
    LazyImportType = types.LazyImportType  # type: ignore
    set_lazy_imports = sys.set_lazy_imports  # type: ignore
    get_lazy_imports = sys.get_lazy_imports  # type: ignore
    set_lazy_imports_filter = sys.set_lazy_imports_filter  # type: ignore
    get_lazy_imports_filter = sys.get_lazy_imports_filter  # type: ignore


def __getattr__(name: str) -> Any:
    if name == "lazy_modules":
        return sys.lazy_modules if _IS_NATIVE else _native().lazy_modules()  # type: ignore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
