"""The test files of CPython that the judge runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A test file, and what of it is run."""

    module: str
    """Below `test`."""
    patterns: tuple[str, ...] = ()
    """As `driver.py` takes them; empty for all tests."""
    preload: bool = True
    """Whether the test file itself stands in the image, not just unittest. It is not where its own
    import notes what only holds for one process.
    """
    minors: tuple[tuple[int, int], ...] = ((3, 11), (3, 13))
    """Where CPython has it."""

    @property
    def name(self) -> str:
        """Says which file it is."""
        return self.module


# In `make test`: quick, and each of another part of the interpreter.
SAMPLE = (
    Suite("test_dataclasses"),
    Suite("test_mmap"),
    Suite("test_random"),
    Suite("test_select"),
    Suite("test_thread"),
    Suite("test_typing"),
    Suite("test_uuid"),
)


SUITES=SAMPLE
