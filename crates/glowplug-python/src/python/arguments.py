"""Listens to who looks at the program's arguments, or changes them, while modules are imported:
they are other ones at each start. The namespace is that of preload.py.
"""

import sys


class Arguments(list):
    """Stands for `sys.argv` and `sys.orig_argv`."""


def _listening(name):
    original = getattr(list, name)

    def method(self, *args, **kwargs):
        self.importing.act("arguments")
        return original(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in (
    ["__getitem__", "__iter__", "__len__", "__contains__", "__reversed__", "__repr__", "copy"]
    + ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__", "__mul__", "__rmul__"]
    + ["__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "extend", "insert", "pop"]
    + ["index", "count", "remove", "reverse", "sort", "clear", "__reduce_ex__"]
):
    setattr(Arguments, _name, _listening(_name))


class ListeningToArguments:
    """Puts the listeners there, and takes them away again."""

    def __init__(self, importing):
        self.stands_for = []
        for name in ("argv", "orig_argv"):
            original = getattr(sys, name, None)
            if type(original) is list:
                listener = Arguments(original)
                listener.importing = importing
                setattr(sys, name, listener)
                self.stands_for.append((listener, original, name))

    def set(self, values):
        """What the imports find in `sys.argv`."""
        for listener, _, name in self.stands_for:
            if name == "argv":
                list.__setitem__(listener, slice(None), values)

    def look_around(self, importing):
        """Somebody may have put another list there."""
        for listener, _, name in self.stands_for:
            if getattr(sys, name, None) is not listener:
                importing.act("arguments")

    def stop(self):
        """Returns pairs of a listener and what it stood for."""
        pairs = []
        for listener, original, name in self.stands_for:
            original[:] = list.__getitem__(listener, slice(None))
            if getattr(sys, name, None) is listener:
                setattr(sys, name, original)
            pairs.append((listener, original))
        return pairs

    def is_kept(self, pairs):
        """Whether somebody holds a listener where it cannot be exchanged."""
        get_referrers = built_in("gc").get_referrers
        frame = type(sys._getframe())
        ours = [*self.stands_for, *pairs]
        for listener, _ in pairs:
            for holder in get_referrers(listener):
                if type(holder) is not frame and not any(holder is known for known in ours):
                    return True
        return False
