"""What `glowplug profile` adds to the CPU time of programs, with usage marks and without.

    python benches/profile_overhead.py GLOWPLUG NAME=PYTHON... --samples FILE [--seconds N]

In each round a program runs plainly, with the collector without usage marks, with it and with
them, all at the same time: on one processor, in turns of --turn seconds, each stopped while another
has its turn. So what makes the machine slower for a while, as neighbours do, makes all sides slower
alike; runs one after the other differ by a tenth. CPU time is that of the program, user and system;
what the command computes before and behind it is no part of it. Which side is first changes from
round to round. Samples are added to a file, so several calls can share one; `--seconds 0` only
reports.

Figures are medians, over the rounds, of the ratio to the plain run of the same round, and of the
difference to it; their standard errors; and what profiles of the program state, each tenth round.
Where what is stated is off by more than --off, and twice the error of the measurement, that is
said, and the exit status is 1. The program `bare` does nothing: what is added to it is the fixed
part, which is the same for each program; the rest, as a part of the program's own time, is the
proportional part. Prints JSON.

Only a quiet machine shows what is added there: where programs compete for the processor, one whose
CPU time is read is made to wait at more moments, and each time finds its caches taken.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from profiled_programs import SIDES, arguments, chosen, collecting, environment, error, profile

PLAIN = "plain"
MARKS = {"without_marks": ["--no-usage"], "with_marks": []}
# Rounds for one in which profiles state what they add.
STATED_EVERY = 10
# CPU time in ms, or what is stated of it, as a part of the plain time; by side.
Round = dict[str, float]


class Run:
    """A program that is stopped, but in its turns."""

    def __init__(self, command: list[str], variables: dict[str, str], processor: int) -> None:
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {processor})
        self.pid = os.posix_spawn(command[0], command, variables, file_actions=null, setsigmask=[])
        os.kill(self.pid, signal.SIGSTOP)
        os.sched_setaffinity(0, own)
        self.ms: float | None = None

    def turn(self, seconds: float) -> None:
        """Lets it run for a time, or to its end."""
        os.kill(self.pid, signal.SIGCONT)
        end = time.monotonic() + seconds
        while not self.has_ended():
            left = end - time.monotonic()
            if left <= 0:
                os.kill(self.pid, signal.SIGSTOP)
                return
            signal.sigtimedwait([signal.SIGCHLD], left)

    def has_ended(self) -> bool:
        """Whether it has; then its CPU time is known."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid:
            assert status == 0, f"ended with {status}"
            self.ms = (usage.ru_utime + usage.ru_stime) * 1000
        return bool(pid)


def one_round(collector: Path, command: list[str], number: int, turn: float) -> Round:
    """All sides at once, beginning with another one each time."""
    sides = list(SIDES.items())
    first = number % len(sides)
    processors = sorted(os.sched_getaffinity(0))
    # Whoever gives the turns should not take time from the programs.
    os.sched_setaffinity(0, processors[:1])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        runs = {}
        for side, letters in sides[first:] + sides[:first]:
            variables = environment()
            if letters is not None:
                variables |= collecting(collector, letters, Path(folder) / side)
            runs[side] = Run(command, variables, processors[-1])
        while waiting := [run for run in runs.values() if run.ms is None]:
            for run in waiting:
                run.turn(turn)
    os.sched_setaffinity(0, processors)
    return {side: run.ms for side, run in runs.items()}


def stated(glowplug: str, python: str, code: str) -> Round:
    """What a profile says was added, as a part of the time without it."""
    found = {}
    for side, options in MARKS.items():
        run = profile(glowplug, python, code, *options)[0]["run"]
        found[side] = run["overhead"]["fraction"]
    return found


def is_off(side: dict, bound: float) -> bool:
    """Whether what profiles state is not what was measured."""
    added, said = side["added"], side["stated"]
    return abs(added["median"] - said["median"]) > bound + 2 * (added["error"] + said["error"])


def middle(values: list[float], digits: int) -> dict[str, float]:
    """Their median and its standard error."""
    return {
        "median": round(statistics.median(values), digits),
        "error": round(error(values), digits),
    }


def figures_of(rounds: list[Round], said: list[Round], fixed: Round) -> dict:
    """One program's figures; `fixed` has the milliseconds that `bare` gets added, by side."""
    plain = [one[PLAIN] for one in rounds]
    figures: dict = {"plain_ms": round(statistics.median(plain), 1), "rounds": len(rounds)}
    for side in MARKS:
        pairs = [(one[side], one[PLAIN]) for one in rounds]
        figures[side] = {
            "added": middle([ms / alone - 1 for ms, alone in pairs], 4),
            "added_ms": middle([ms - alone for ms, alone in pairs], 3),
            "stated": middle([one[side] for one in said], 4),
        }
        if side in fixed:
            rest = [(ms - alone - fixed[side]) / alone for ms, alone in pairs]
            figures[side]["proportional"] = middle(rest, 4)
    return figures


def load(path: Path) -> dict[str, dict[str, list[Round]]]:
    """What a file has of each program: rounds, and what was stated."""
    samples: dict = defaultdict(lambda: {"round": [], "stated": []})
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        for kind in ("round", "stated"):
            if kind in entry:
                samples[entry["program"]][kind].append(entry[kind])
    return samples


def collector_of(glowplug: str) -> Path:
    """The library that a binary preloads."""
    beside = Path(glowplug).resolve().parents[1] / "lib/glowplug"
    return Path(os.environ.get("GLOWPLUG_RUNTIME", beside)) / "collector.so"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60, help="of each program")
    parser.add_argument("--turn", type=float, default=0.01)
    parser.add_argument("--off", type=float, default=0.02, help="of the program's CPU time")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    samples = load(options.samples)
    collector = collector_of(options.glowplug)
    for name, python, code in chosen(options.programs) if options.seconds > 0 else ():
        end = time.monotonic() + options.seconds
        command = [python, "-c", code]
        one_round(collector, command, 0, options.turn)
        found = samples[name]
        while time.monotonic() < end:
            number = len(found["round"])
            fresh = {"round": one_round(collector, command, number, options.turn)}
            if number % STATED_EVERY == 0:
                fresh["stated"] = stated(options.glowplug, python, code)
            for kind, values in fresh.items():
                found[kind].append(values)
            with options.samples.open("a") as file:
                file.write(json.dumps({"program": name} | fresh) + "\n")
    bare = samples["bare"]["round"] if "bare" in samples else []
    fixed = {
        side: statistics.median(one[side] - one[PLAIN] for one in bare) for side in MARKS if bare
    }
    figures = {
        name: figures_of(found["round"], found["stated"], fixed)
        for name, found in sorted(samples.items())
    }
    words = [word.split("=")[0] for word in options.programs]
    command = ["benches/profile_overhead.py", *words]
    off = [
        f"{name}, {side.replace('_', ' ')}"
        for name, found in figures.items()
        for side in MARKS
        if is_off(found[side], options.off)
    ]
    json.dump({"command": command, "programs": figures, "off": off}, sys.stdout, indent=1)
    print()
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
