"""Calls what modules have registered for the freeze and the thaw: with the package `glowplug`, and
with AWS's `snapshot_restore_py` (SnapStart).

The namespace is that of preload.py. Neither package is imported here: where no import has loaded
one, nothing was registered with it.
"""

# Where registrations stand: the module and the name of its list of (function, args, kwargs). At a
# thaw they are called in this order, before a freeze in reverse.
_BEFORE_FREEZE = (
    ("glowplug.hooks", "_before_freeze"),
    ("snapshot_restore_py", "_before_snapshot_registry"),
)
_AFTER_THAW = (
    ("glowplug.hooks", "_after_thaw"),
    ("snapshot_restore_py", "_after_restore_registry"),
)


# The hooks before a freeze that have been called.
_called = []


def _registered(places):
    found = []
    for module, name in places:
        hooks = getattr(sys.modules.get(module), name, None)
        if isinstance(hooks, list):
            found.extend(hooks)
    return found


def _name(function):
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None)
    return "%s.%s" % (module, name) if module else name


def _explained(error, kind, function):
    """What to say of a hook that raised: one line that names it, and behind it the traceback."""
    import traceback

    # The first frame is Glowplug's own.
    frames = error.__traceback__.tb_next
    said = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    first = "the %s hook `%s` raises %s" % (kind, _name(function), type(error).__name__)
    text = " ".join(str(error).split())
    return "%s%s\n%s" % (first, ": " + text if text else "", said)


def has_before_freeze():
    return bool(_registered(_BEFORE_FREEZE))


def hooked():
    """Modules that let go of what they hold before a freeze."""
    modules = {getattr(hook[0], "__module__", None) for hook in _registered(_BEFORE_FREEZE)}
    return sorted(module for module in modules if isinstance(module, str))


def run_before_freeze():
    """Calls the hooks, the last registered first; returns why there can be no image, or None. What
    the template that this process was forked from has called is not called again.
    """
    for hook in reversed(_registered(_BEFORE_FREEZE)):
        if any(hook is called for called in _called):
            continue
        _called.append(hook)
        function, args, kwargs = hook
        try:
            function(*args, **kwargs)
        except BaseException as error:
            return _explained(error, "before_freeze", function)
    return None


def run_after_thaw():
    """Calls the hooks, the first registered first; returns why the program must start plainly, or
    None. An interrupt by the user passes through.
    """
    for function, args, kwargs in _registered(_AFTER_THAW):
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return _explained(error, "after_thaw", function)
    return None
