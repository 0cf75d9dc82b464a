"""Glowplug starts Python programs as if they were already running.

The command `glowplug` does the work. A program needs this package only to say what is to be done
before it is frozen and after it was thawed; see `glowplug.hooks`.
"""

from .hooks import after_thaw, before_freeze

__all__ = ["__version__", "after_thaw", "before_freeze", "freeze_point"]


def freeze_point():
    """Says that everything that a start needs has been imported: `glowplug freeze` runs a service
    no further than here to learn what that is. Does nothing at any other time.
    """
    import sys

    reached = getattr(sys, "_glowplug_freeze_point", None)
    if reached is not None:
        reached()


def __getattr__(name):
    # Looked up when asked for: finding it takes longer than all else here.
    if name != "__version__":
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("glowplug")
    except PackageNotFoundError:
        return version("glowplug-hooks")
