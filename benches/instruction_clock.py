"""Programs under a clock that counts their instructions.

Under QEMU's user mode with the plugin of `instructions/clock.c`, a thread's CPU time is the number
of instructions that the program has executed, a nanosecond for one. So a profile has instructions
where it says CPU time, and what is found is the same each time, whatever else the machine does.
What the kernel does for the program is not in it.

Needs a C compiler and Debian's qemu-user (not qemu-user-static, which takes no plugins).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from profiled_programs import ProgramFailedError, cpu_ms, environment, profile_of

SOURCES = Path(__file__).parent / "instructions"


class Clock:
    """QEMU, the plugin and the launcher; what is built lies in a folder."""

    def __init__(self, folder: Path, qemu: str = "qemu-x86_64") -> None:
        found = shutil.which(qemu)
        assert found, f"no {qemu}: apt install qemu-user"
        plugin, launcher = folder / "clock.so", folder / "launcher"
        for out, source, options in (
            (plugin, "clock.c", ["-shared", "-fPIC"]),
            (launcher, "launcher.c", ["-static"]),
        ):
            command = ["cc", "-O2", *options, "-o", str(out), str(SOURCES / source)]
            subprocess.run(command, check=True)
        self.count = folder / "instructions"
        # Bytecode of its own: that of an interpreter that others use as well comes and goes.
        # And no threads of OpenBLAS's, which wait by spinning: five million instructions more or
        # less.
        self.variables = environment() | {
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.line = [str(launcher), found, str(plugin)]

    def warm(self, command: list[str]) -> float:
        """Has the bytecode of what a command imports written. Milliseconds of CPU time of a run."""
        times = [cpu_ms(command, self.variables) for _ in range(2)]
        if times[1] is None:
            raise ProgramFailedError(command)
        return times[1]

    def instructions(self, command: list[str]) -> int:
        """How many a command executes."""
        self.warm(command)
        variables = self.variables | {"INSTRUCTIONS": str(self.count)}
        done = subprocess.run([*self.line, *command], env=variables, capture_output=True)
        done.check_returncode()
        return int(self.count.read_text())

    def profile(self, glowplug: str, command: list[str], *options: str) -> dict:
        """The profile of a command, in instructions."""
        self.warm(command)
        return profile_of(glowplug, [*options, "--", *self.line, *command], self.variables)[0]
