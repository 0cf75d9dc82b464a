"""The filter that makes Python's own lazy imports, from 3.15 on, follow the settings.

`glowplug lazy run` runs this file before the program, so it imports nothing.
"""


def install(mode, lazy, eager, note=None):
    """Sets a filter and the mode: ``"all"``, or ``"normal"`` for what is marked or in ``lazy``.

    ``lazy`` names modules, ``eager`` importers: a name stands for its submodules too, ``=name``
    does not, and ``*`` stands for any characters. A filter that is there already is asked last.
    ``note`` is called for each statement that is made lazy, with its frame behind the arguments of
    the filter.
    """
    import sys

    if not lazy and not eager and note is None:
        sys.set_lazy_imports(mode)
        return
    is_lazy, is_eager = matcher(lazy), matcher(eager)
    before = sys.get_lazy_imports_filter()
    # A statement that nothing marks is only asked about in the mode "all".
    by_name = mode == "normal" and bool(lazy)

    def keep(importer, name, fromlist):
        if is_eager(importer):
            return False
        if by_name and not is_lazy(name) and not _is_marked(sys, importer, name):
            return False
        if before is not None and not before(importer, name, fromlist):
            return False
        if note is not None:
            note(importer, name, fromlist, sys._getframe(1))
        return True

    sys.set_lazy_imports_filter(keep)
    sys.set_lazy_imports("all" if by_name else mode)


def matcher(entries):
    """Whether a name is one of these; it remembers what it was asked."""
    entries = tuple(entries)
    known = {}

    def matches(name):
        # A namespace that `exec` runs code in need not have a name.
        if not isinstance(name, str):
            return False
        if name not in known:
            known[name] = any(_matches(entry, name) for entry in entries)
        return known[name]

    return matches


def _matches(entry, name):
    if entry.startswith("="):
        return name == entry[1:]
    if "*" not in entry:
        return name == entry or name.startswith(entry + ".")
    first, *middle, last = entry.split("*")
    if len(name) < len(first) + len(last):
        return False
    if not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _is_marked(sys, importer, name):
    """Whether a statement says itself that it is lazy, or its module does."""
    frame = sys._getframe(2)
    # The keyword is the lowest bit of IMPORT_NAME's argument.
    if frame.f_code.co_code[frame.f_lasti + 1] & 1:
        return True
    module = sys.modules.get(importer)
    return name in getattr(module, "__dict__", {}).get("__lazy_modules__", ())
