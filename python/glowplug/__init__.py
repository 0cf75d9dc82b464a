"""Glowplug starts Python programs as if they were already running.

The command `glowplug` does the work; this package only says which version is installed.
"""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__: str = _version("glowplug")
