"""Starts a program both ways, plainly and thawed, and compares the two."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import processes
from .clock import settle
from .interpreters import Interpreter
from .running import Conditions, Outcome, run

# Exit statuses of Glowplug itself; docs/ lists them.
REFUSED = 122
FORCED = 124

# What `--explain` says of a program that was started as it should be.
EXPLAINED = {
    "thaw": "glowplug: thawed",
    "fork": "glowplug: started by a fork",
    "pool": "glowplug: started ",
}

Word = str | os.PathLike[str]


class Differs(AssertionError):
    """A thawed start did something else than the plain one."""


@dataclass
class Starter:
    """One interpreter, one private cache, one folder to work in; made afresh for each test."""

    interpreter: Interpreter
    glowplug: Path | None
    folder: Path
    way: str = "thaw"
    """How programs are started that are compared with plain ones: `thaw`, `fork` or `pool`."""
    frozen: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def cache(self) -> Path:
        """The private cache."""
        return self.folder / "cache"

    @property
    def mark(self) -> str:
        """What stands in the environment of every process that the test starts, and of no other."""
        return f"{self.folder}/"

    @property
    def work(self) -> Path:
        """The working folder of programs."""
        return self.folder / "work"

    @property
    def python(self) -> str:
        """The interpreter as it is called."""
        return str(self.interpreter.path)

    @property
    def env(self) -> dict[str, str]:
        """The environment of every run, plain or thawed."""
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "GLOWPLUG_CACHE_DIR": str(self.cache),
        }
        if runtime := os.environ.get("GLOWPLUG_RUNTIME"):
            env["GLOWPLUG_RUNTIME"] = runtime
        return env

    def with_interpreter(self, interpreter: Interpreter) -> Starter:
        """The same cache and folders with another interpreter."""
        return replace(self, interpreter=interpreter, frozen=set())

    def fresh_work(self) -> Path:
        """Empties the working folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        (self.folder / "home").mkdir(exist_ok=True)
        return self.work

    def command(self, *words: Word) -> list[str]:
        """A command line of the Glowplug that is tested."""
        if self.glowplug is None:
            raise RuntimeError(
                "no Glowplug was built: run `cargo xtask build`, or name one in $GLOWPLUG"
            )
        return [str(self.glowplug), *map(os.fspath, words)]

    def execute(self, *words: Word, conditions: Conditions | None = None) -> Outcome:
        """Runs a Glowplug command."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)
        return run(self.command(*words), self.env, self.work, conditions)

    def plain(self, *program: Word, conditions: Conditions | None = None) -> Outcome:
        """Runs a program by plain Python in an empty working folder."""
        return run([self.python, *program], self.env, self.fresh_work(), conditions)

    def start(
        self,
        *program: Word,
        via: str = "auto",
        explain: bool = False,
        conditions: Conditions | None = None,
    ) -> Outcome:
        """Runs a program by `glowplug run` in an empty working folder."""
        words = ["run", "--python", self.python, "--via", via, *(["--explain"] if explain else [])]
        return run(self.command(*words, *program), self.env, self.fresh_work(), conditions)

    def freeze(self, *program: Word, conditions: Conditions | None = None) -> Outcome:
        """Freezes what `glowplug run` would use for `program`, in the foreground."""
        how = replace(conditions or Conditions(), stdin=None, stdout=None, during=None, timeout=300)
        words = ["freeze", "--python", self.python, "--", *program]
        folder = self.fresh_work()
        settle()
        return run(self.command(*words), self.env, folder, how)

    def both_whichever_way(self, *program: Word, conditions: Conditions | None = None) -> None:
        """For what may never be thawed: two starts by `glowplug run` do what the plain one does."""
        plain = self.plain(*program, conditions=conditions)
        if self.glowplug is None:
            return
        for _ in range(2):
            require_same(plain, self.start(*program, conditions=conditions))
            self.wait_until_idle()

    def ensure_frozen(self, *program: Word, conditions: Conditions | None = None) -> None:
        """Freezes `program` unless this test has done it already, and requires that it worked."""
        how = conditions or Conditions()
        key = (*map(os.fspath, program), repr(sorted(how.env.items())))
        if key in self.frozen:
            return
        outcome = self.freeze(*program, conditions=how)
        assert outcome.status == 0, f"freezing failed with {outcome.status}:\n{outcome.errors()}"
        self.frozen.add(key)

    @property
    def is_served(self) -> bool:
        """Whether a server starts the programs."""
        return self.way in ("fork", "pool")

    def prepare(self, *program: Word, conditions: Conditions | None = None) -> None:
        """Has an image made, or a server started, from which `program` can be started."""
        if self.is_served:
            self.ensure_served(*program, conditions=conditions)
        else:
            self.ensure_frozen(*program, conditions=conditions)

    def ensure_served(self, *program: Word, conditions: Conditions | None = None) -> None:
        """Starts a server for `program` unless this test has done it already."""
        how = replace(conditions or Conditions(), stdin=None, stdout=None, during=None, timeout=300)
        key = ("served", *map(os.fspath, program), repr(sorted(how.env.items())))
        if key in self.frozen:
            return
        pool = ["--pool", "1"] if self.way == "pool" else []
        words = ["serve", "--python", self.python, *pool, "--", *program]
        folder = self.fresh_work()
        settle()
        outcome = run(self.command(*words), self.env, folder, how)
        assert outcome.status == 0, f"serving failed with {outcome.status}:\n{outcome.errors()}"
        self.frozen.add(key)

    def wait_for_freezers(self) -> None:
        """Waits until every freezer that works for this cache has ended; servers go on."""
        while pids := processes.freezers(self.mark):
            processes.wait_for_end(pids)

    def stop(self) -> None:
        """Ends the servers that were started for this cache."""
        if self.glowplug is not None and any((self.cache / "servers").glob("*.sock")):
            run(self.command("stop"), self.env, self.folder, Conditions(stdin=None))

    def both(
        self,
        *program: Word,
        conditions: Conditions | None = None,
        freeze_conditions: Conditions | None = None,
        prove: bool = False,
        expect: int | None = None,
    ) -> Outcome:
        """Runs `program` plainly and thawed in identical conditions, requires identical outcomes,
        and returns the plain one.

        `--via thaw` makes Glowplug fail where it could not thaw, so that a plain start cannot pass
        for a thawed one. With `prove` a third run asks for the explanation as well. `expect` is the
        exit status that both must have.
        """
        plain = self.plain(*program, conditions=conditions)
        if expect is not None:
            assert plain.status == expect, (
                f"plain status {plain.status}:\n{plain.text()}\n{plain.errors()}"
            )
        if self.glowplug is None:
            # What differs between two plain starts could never be compared with a thawed one.
            require_same(plain, self.plain(*program, conditions=conditions))
            return plain
        self.prepare(*program, conditions=freeze_conditions or _only_environment(conditions))
        require_same(plain, self.start(*program, via=self.way, conditions=conditions))
        if prove:
            way = self.way if self.is_served else "auto"
            explained = self.start(*program, via=way, explain=True, conditions=conditions)
            line, _, rest = explained.errors().partition("\n")
            assert line.startswith(EXPLAINED[self.way]), explained.errors()
            require_same(plain, replace(explained, stderr=rest.encode()))
        return plain

    def explained(
        self, *program: Word, conditions: Conditions | None = None
    ) -> tuple[str, Outcome]:
        """Starts `program` by `glowplug run --explain`; returns the explanation and the outcome
        without it.
        """
        return self.explained_by("auto", *program, conditions=conditions)

    def explained_by(
        self, via: str, *program: Word, conditions: Conditions | None = None
    ) -> tuple[str, Outcome]:
        """As `explained`, by a way that is named."""
        outcome = self.start(*program, via=via, explain=True, conditions=conditions)
        first, _, rest = outcome.errors().partition("\n")
        assert first.startswith("glowplug: "), f"not explained: {outcome}"
        return first.removeprefix("glowplug: "), replace(outcome, stderr=rest.encode())

    def becomes_thawed(self, *program: Word, conditions: Conditions | None = None) -> Outcome:
        """Starts `program` until it is thawed, which the second start must be, and returns that
        start's outcome.
        """
        self.start(*program, conditions=conditions)
        self.wait_until_idle()
        way, outcome = self.explained(*program, conditions=conditions)
        assert way.startswith("thawed"), way
        return outcome

    def wait_until_idle(self) -> None:
        """Waits until every freezer that works for this cache has ended."""
        processes.wait_until_idle(self.mark)

    def images(self) -> list[Path]:
        """Images and refusals in the cache."""
        return sorted((self.cache / "images").glob("*.image"))


def _only_environment(conditions: Conditions | None) -> Conditions:
    how = conditions or Conditions()
    return Conditions(env=how.env, unset=how.unset)


def require_same(plain: Outcome, thawed: Outcome) -> None:
    """Raises `Differs` with both sides where two outcomes are not the same."""
    differences = []
    if plain.status != thawed.status:
        differences.append(f"status: plain {plain.status}, thawed {thawed.status}")
    for name, one, other in (
        ("stdout", plain.stdout, thawed.stdout),
        ("stderr", plain.stderr, thawed.stderr),
    ):
        if one != other:
            differences.append(
                f"{name}, {_first_difference(one, other)}\n--- plain\n"
                f"{_short(one)}\n--- thawed\n{_short(other)}"
            )
    differences += _file_differences(plain.files, thawed.files)
    if differences:
        raise Differs("\n".join(differences))


def _file_differences(plain: Mapping[str, str], thawed: Mapping[str, str]) -> list[str]:
    names: Sequence[str] = sorted({*plain, *thawed})
    return [
        f"file {name}: plain {plain.get(name)}, thawed {thawed.get(name)}"
        for name in names
        if plain.get(name) != thawed.get(name)
    ]


def _first_difference(one: bytes, other: bytes) -> str:
    ones, others = one.splitlines(), other.splitlines()
    for number, (left, right) in enumerate(zip(ones, others, strict=False), start=1):
        if left != right:
            return f"line {number}: {left[:300]!r} against {right[:300]!r}"
    return f"{len(ones)} lines against {len(others)}"


def _short(data: bytes) -> str:
    text = data.decode(errors="replace")
    return text if len(text) < 4000 else f"{text[:2000]}\n[...]\n{text[-2000:]}"
