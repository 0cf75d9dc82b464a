"""Which CPythons programs are frozen on, and that all others are named and started plainly."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness import sid
from harness.clock import write
from harness.interpreters import Interpreter, by_minor, interpreters, other_builds, supported
from harness.running import Conditions
from harness.starting import FORCED, REFUSED, require_same

PROGRAMS = Path(__file__).parent / "programs"
SCRIPT = "import json\nimport sys\nprint(json.dumps(sys.argv[1:]), 'json.decoder' in sys.modules)\n"

# e_type of an ELF file.
ELF_TYPES = {"fixed": 2, "position-independent": 3}

STAND_IN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Python, but for saying that it was built without the global lock. */
int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-c") == 0 && strstr(argv[i + 1], "abiflags")) {
            const char *lie = "import sys; sys.abiflags += 't'\n";
            char *code = malloc(strlen(lie) + strlen(argv[i + 1]) + 1);
            sprintf(code, "%s%s", lie, argv[i + 1]);
            argv[i + 1] = code;
        }
    argv[0] = PYTHON;
    execv(PYTHON, argv);
    return 127;
}
"""


@pytest.mark.parametrize("minor", supported(), ids=lambda minor: "{}.{}".format(*minor))
def test_every_minor(starter, minor):
    """On each of them the second start is thawed, and so are the kinds of program."""
    found = by_minor(minor)
    if not found:
        pytest.skip(sid.missing(minor))
    starter = starter.with_interpreter(found[0])
    if starter.glowplug:
        script = write(starter.folder / "main.py", SCRIPT)
        assert starter.becomes_thawed(script, "a").text() == '["a"] True\n'
    starter.both(PROGRAMS / "json_roundtrip.py", expect=0, prove=True)
    starter.both("-c", "import json, sys\nprint(json.dumps(sys.argv))\n1 / 0", "b", expect=1)
    starter.both("-m", "json.tool", "--help", expect=0)


# The lines of `-c` are shown in tracebacks from 3.13 on, and lose their common indent from 3.14 on.
@pytest.mark.parametrize(
    "code",
    [
        "\n    import json\n    def f():\n\t\n        raise ValueError(json)\n\n    f()\n  ",
        "\timport json\n\t    # comment\n\tprint(json.dumps('''a\n\n\t  b'''))\n\tx",
        "    import json\n  print(json)\n",
        "  import json\n\tprint(json)",
        " \n\t\n",
        "import json\nprint(json.dumps('  '))\n   \nprint(\n",
        "import linecache, sys\nprint(sorted(linecache.cache), 'textwrap' in sys.modules)\n"
        "print(getattr(linecache, '_interactive_cache', None))\ndef f(): pass\n",
    ],
    ids=["indented", "tabs", "uneven", "mixed", "blank", "unfinished", "linecache"],
)
@pytest.mark.core
def test_code_of_the_command_line(each_starter, code):
    each_starter.both("-c", code)


@pytest.mark.parametrize("kind", ELF_TYPES)
def test_executables_at_a_fixed_place_and_anywhere(starter, kind):
    """Debian's own python3 is not position-independent; most others are."""
    found = [i for i in interpreters() if elf_type(i) == ELF_TYPES[kind]]
    if not found:
        pytest.skip(f"no CPython on this machine whose executable is {kind}")
    starter = starter.with_interpreter(found[-1])
    starter.both(PROGRAMS / "json_roundtrip.py", expect=0, prove=True)
    starter.both(PROGRAMS / "malloc_stress.py", expect=0)


@pytest.mark.core
@pytest.mark.parametrize("limit", [1 << 20, 64 << 20])
def test_recursion_on_another_stack(each_starter, limit):
    """Frozen under the usual limit, thawed under another: deep recursion in C ends in an error."""
    script = write(
        each_starter.folder / "main.py",
        "import json\nimport sys\nnested = []\nfor _ in range(500_000):\n    nested = [nested]\n"
        "try:\n    json.dumps(nested)\nexcept RecursionError:\n    print('RecursionError')\n"
        "while nested:\n    nested = nested[0]\n",
    )

    def lower():
        resource.setrlimit(resource.RLIMIT_STACK, (limit, resource.RLIM_INFINITY))

    how = Conditions(prepare=lower)
    if each_starter.plain(script, conditions=how).status == -signal.SIGSEGV:
        pytest.skip("this CPython counts calls and not bytes: plainly, too, it overflows the stack")
    plain = each_starter.both(script, conditions=how, expect=0)
    # A larger stack may be enough for it, as newer versions count no calls.
    assert plain.text() == "RecursionError\n" or limit > 8 << 20


CLOSURES = """
import ctypes
import json
import os
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
kept = [kind(lambda n, i=i: n + i) for i in range(3000)]
assert [f(1) for f in kept] == list(range(1, 3001))
print(json.dumps(sorted(map(int, os.listdir("/proc/self/fd")))), os.open(__file__, os.O_RDONLY))
"""


@pytest.mark.core
def test_descriptor_of_libffi(each_starter):
    """Where libffi keeps a descriptor on itself, a thawed program has it under the same number, and
    thousands of closures are mapped from it.
    """
    script = write(each_starter.folder / "main.py", CLOSURES)
    each_starter.both(script, expect=0)


@pytest.mark.core
def test_number_of_libffis_descriptor_is_taken(each_starter, built):
    """A start that inherits the number is right, be it thawed or not."""
    script = write(each_starter.folder / "main.py", CLOSURES)
    each_starter.ensure_frozen(script)
    with script.open() as inherited:

        def inherit():
            os.dup2(inherited.fileno(), 3)

        how = Conditions(prepare=inherit, pass_fds=(3,))
        require_same(
            each_starter.plain(script, conditions=how), each_starter.start(script, conditions=how)
        )
    each_starter.wait_until_idle()


def elf_type(interpreter: Interpreter) -> int:
    with interpreter.path.open("rb") as file:
        return int.from_bytes(file.read(18)[16:], "little")


@pytest.mark.parametrize("build", ["a free-threaded CPython", "a debug build of CPython"])
def test_other_builds_are_named_and_start_plainly(starter, built, build):
    found = [path for kind, path in other_builds() if kind == build]
    if not found:
        pytest.skip(f"{build} is not on this machine")
    check_named(starter, found[0], build)


def test_free_threaded_answer_is_believed(starter, built):
    """What any interpreter is taken for that says so: such builds are rare on machines."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc) on this machine")
    real = starter.interpreter.path
    source = write(starter.folder / "stand_in.c", STAND_IN)
    program = starter.folder / "python3"
    subprocess.run(["cc", f'-DPYTHON="{real}"', "-o", program, source], check=True)
    check_named(starter, program, "a free-threaded CPython")


def check_named(starter, path: Path, build: str) -> None:
    """Refused by name, remembered, and started plainly each time without a recorder or freezer."""
    starter = starter.with_interpreter(Interpreter(path, (3, 0, 0)))
    script = write(starter.folder / "main.py", SCRIPT)
    plain = starter.plain(script, "a")
    require_same(plain, starter.start(script, "a"))
    starter.wait_until_idle()
    way, outcome = starter.explained(script, "a")
    assert way.startswith(f"plain: this is {build} 3."), way
    require_same(plain, outcome)
    assert starter.images() == []
    frozen = starter.freeze(script)
    assert frozen.status == REFUSED
    assert frozen.errors().startswith(f"error: this is {build} 3."), frozen.errors()
    forced = starter.start(script, via="thaw")
    assert forced.status == FORCED
    assert build in forced.errors() and "help: leave out `--via thaw`" in forced.errors()
