"""What values can be reached from modules, by where they stand: to see what differs between starts.

Copied beside a program, which imports it: nothing here may need the rest of the harness.
"""

import itertools
import sys
import threading
import types

_PLAIN = (int, float, complex, str, bytes, type(None), itertools.count)
_OF_THE_IMPORT_SYSTEM = {"__builtins__", "__cached__", "__file__", "__loader__", "__spec__"}
_DEPTH = 12


def values(names):
    """For each module the texts of the values that belong to it, by place as in `_inst.state`."""
    all_found = {}
    for name in names:
        found = all_found[name] = {}
        for key, value in list(vars(sys.modules[name]).items()):
            if key not in _OF_THE_IMPORT_SYSTEM:
                _walk(value, key, name, found, set(), _DEPTH)
    return all_found


def _walk(value, place, module, found, seen, depth):
    if isinstance(value, _PLAIN):
        found[place] = repr(value)
        return
    if id(value) in seen or depth == 0:
        return
    seen.add(id(value))
    for part, inner in _parts(value, module):
        _walk(inner, "%s%s" % (place, part), module, found, seen, depth - 1)


def _parts(value, module):
    """What an object consists of, with how it is reached."""
    if isinstance(value, (type, types.FunctionType)) and value.__module__ != module:
        return
    if isinstance(value, types.ModuleType):
        return
    if isinstance(value, dict):
        for key, inner in list(value.items()):
            yield "[%s]" % _name(key), inner
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield "[%d]" % index, inner
    elif isinstance(value, (set, frozenset)):
        for inner in value:
            if isinstance(inner, _PLAIN):
                yield "{%r}" % (inner,), inner
    elif isinstance(value, types.FunctionType):
        yield ".defaults", value.__defaults__
        yield ".keyword_defaults", value.__kwdefaults__
        for index, cell in enumerate(value.__closure__ or ()):
            yield ".closure[%d]" % index, getattr(cell, "cell_contents", None)
    elif isinstance(value, (staticmethod, classmethod)):
        yield ".function", value.__func__
    elif isinstance(value, type):
        for key, inner in list(vars(value).items()):
            if not isinstance(inner, (types.GetSetDescriptorType, types.MemberDescriptorType)):
                yield "." + key, inner
    else:
        yield from _of_instance(value)


def _name(key):
    """How a key of a dict is told, which must be the same in each start."""
    if not isinstance(key, _PLAIN):
        return repr(type(key))
    return "this thread" if key == threading.get_ident() else repr(key)


def _of_instance(value):
    state = getattr(type(value), "getstate", None)
    if state is None:
        state = getattr(type(value), "get_state", None)
    if state is not None:
        try:
            yield ".state", str(state(value))
        except Exception:
            yield ".state", None
    bits = getattr(type(value), "bit_generator", None)
    if bits is not None:
        yield ".bits", str(value.bit_generator.state)
    for key, inner in list(getattr(value, "__dict__", {}).items()):
        yield "." + key, inner
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if isinstance(slot, str) and hasattr(value, slot):
                yield "." + slot, getattr(value, slot)
