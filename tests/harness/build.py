"""Finds the Glowplug that is tested."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def glowplug() -> Path | None:
    """`$GLOWPLUG`, else what `cargo xtask build` has laid out, else nothing."""
    named = os.environ.get("GLOWPLUG")
    path = Path(named) if named else ROOT / "build" / "bin" / "glowplug"
    return path.absolute() if os.access(path, os.X_OK) else None
