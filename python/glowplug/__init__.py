"""Glowplug starts Python programs as if they were already running.

The command `glowplug` does most of the work; `glowplug.lazy` makes imports lazy from within.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    # Asked for seldom, while importing what answers takes longer than a start should.
    if name == "__version__":
        from importlib.metadata import version

        return version("glowplug")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
