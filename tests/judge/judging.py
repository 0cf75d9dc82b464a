"""Runs a command plainly and thawed, and gives what became of each test that it ran."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comparison import Difference, Results, Run, settled
from harness import images
from harness.clock import settle
from harness.running import Conditions, run
from harness.starting import Starter

# Seconds for one run of one suite.
LONGEST = 900


@dataclass
class Judge:
    """A command that runs tests, and where it writes what became of them."""

    starter: Starter
    words: Sequence[str]
    """What follows `python`."""
    preload: Sequence[str]
    """What is asked to stand in the image, besides the leading imports."""
    outcomes: Path
    read: Callable[[Path], Results]
    cwd: Path | None = None
    """The folder to run in; otherwise each run has an empty one."""
    by_first_start: bool = False
    """Whether a first start by `glowplug run` makes the image, as it does for users: it is compared
    as well. Otherwise `glowplug freeze` makes it, which takes no run of the tests.
    """
    thawed_starts: int = field(default=0, init=False)

    def verdict(self) -> tuple[Run, list[Difference]]:
        """Makes the image; then a plain run, and where thawed ones differ from it."""
        first = self.recorded() if self.by_first_start else self._freeze()
        assert self.modules(), "the image has no more than a start of the interpreter"
        plain, differences = settled(self.plain, self.thawed)
        if first is not None:
            others = settled(lambda: plain, lambda: first)[1]
            assert not others, f"the first start differs: {others}"
        return plain, differences

    def image(self) -> images.Image:
        """What starts are thawed from."""
        (path,) = self.starter.images()
        image = images.read(path)
        assert not image.is_refusal, image.meta
        return image

    def modules(self) -> list[str]:
        """What the image has that a start of the interpreter has not."""
        return self.image().meta["modules"]

    def apart(self) -> list[str]:
        """Modules that are imported at each start all the same."""
        return [entry["module"] for entry in self.image().meta["apart"]]

    def plain(self) -> Run:
        """A run by plain Python."""
        return self._run([self.starter.python, *self.words])

    def thawed(self) -> Run:
        """A run that ends with status 124 where it is not thawed."""
        ended = self._run(self._glowplug("run", "--via", "thaw"))
        self.thawed_starts += 1
        return ended

    def recorded(self) -> Run:
        """The first start by `glowplug run`, which makes the image when it has ended."""
        ended = self._run(self._glowplug("run"))
        self.starter.wait_until_idle()
        return ended

    def _glowplug(self, command: str, *options: str, before: Sequence[str] = ()) -> list[str]:
        preload = ["--preload", ",".join(self.preload)] if self.preload else []
        python = ["--python", self.starter.python]
        return self.starter.command(command, *python, *options, *preload, *before, *self.words)

    def _freeze(self) -> None:
        folder = self._folder()
        settle()
        conditions = Conditions(stdin=None, timeout=300)
        command = self._glowplug("freeze", before=["--"])
        outcome = run(command, self.starter.env, folder, conditions)
        assert outcome.status == 0, f"freezing failed with {outcome.status}:\n{outcome.errors()}"

    def _folder(self) -> Path:
        """Where the command runs. Tests leave things in the home folder as well."""
        work = self.starter.fresh_work()
        shutil.rmtree(self.starter.folder / "home")
        (self.starter.folder / "home").mkdir()
        return self.cwd or work

    def _run(self, command: Sequence[str]) -> Run:
        self.outcomes.unlink(missing_ok=True)
        conditions = Conditions(timeout=LONGEST)
        ended = run(command, self.starter.env, self._folder(), conditions)
        return Run(self.read(self.outcomes), ended.status, ended.text() + ended.errors())
