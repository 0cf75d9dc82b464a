"""What a program's modules want done before they are frozen and after they were thawed.

    import glowplug

    @glowplug.before_freeze
    def close():
        pool.close()

    glowplug.after_thaw(pool.open, timeout=5)

Registering does nothing else: without Glowplug, and in a plain start, no hook is ever called. Only
what the imports of a program register counts, since the program itself runs after the thaw.
This module imports nothing, so that a program pays next to nothing for it.
"""

__all__ = ["after_thaw", "before_freeze"]

# Entries (function, arguments, keyword arguments), in the order of their registration. The freezer
# reads them by these names.
_before_freeze = []
_after_thaw = []


def before_freeze(function, /, *args, **kwargs):
    """Has `function(*args, **kwargs)` called in the freezer, when all imports are done.

    The last one that was registered is called first. If one raises, there is no image. Returns
    `function`, so that it serves as a decorator.
    """
    return _register(_before_freeze, function, args, kwargs)


def after_thaw(function, /, *args, **kwargs):
    """Has `function(*args, **kwargs)` called in each thawed process, before the program begins.

    The first one that was registered is called first. If one raises, the program is started by
    plain Python instead. Returns `function`, so that it serves as a decorator.
    """
    return _register(_after_thaw, function, args, kwargs)


def _register(hooks, function, args, kwargs):
    if not callable(function):
        raise TypeError("a hook must be callable, not %r" % type(function).__name__)
    hooks.append((function, args, kwargs))
    return function
