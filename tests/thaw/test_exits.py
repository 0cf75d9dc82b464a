"""Every way in which a program can end: status, message and traceback are plain Python's, to the
letter.
"""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from harness.clock import write
from harness.starting import require_same

# An object whose end is heard by the kernel and, while there is one, on standard output.
LOUD = (
    "class Loud:\n"
    "    def __del__(self, print=print, write=os.write):\n"
    "        write(2, b'ends')\n"
    "        print('ends, and can say it')\n"
)
ENDINGS = {
    "falls_off": ("", 0),
    "exit_none": ("sys.exit()", 0),
    "exit_zero": ("sys.exit(0)", 0),
    "exit_number": ("sys.exit(42)", 42),
    "exit_big": ("sys.exit(256 + 3)", 3),
    "exit_negative": ("sys.exit(-1)", 255),
    "exit_true": ("sys.exit(True)", 1),
    "exit_text": ("sys.exit('a message')", 1),
    "exit_unicode": ("sys.exit('gr\\xfc\\xdfe \\udc80')", 1),
    "exit_object": ("sys.exit([1, {'a': 2}])", 1),
    "exit_long": ("sys.exit(1 << 70)", 255),
    "raise_system_exit": ("raise SystemExit", 0),
    "quit": ("quit(5)", 5),
    "os_exit": ("print('lost'); os._exit(9)", 9),
    "exit_in_thread": ("t = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join()", 0),
    "error_in_thread": (
        "t = threading.Thread(target=divmod, args=(1, 0), name='T'); t.start(); t.join()",
        0,
    ),
    "error": ("def f(n):\n    return f(n - 1) if n else 1 / n\nf(3)", 1),
    "error_in_library": ("json.loads('{broken')", 1),
    "error_chained": (
        "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('v') from e",
        1,
    ),
    "error_in_handler": ("try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('v')", 1),
    "error_in_repr": ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", 1),
    "error_with_notes": ("e = ValueError('v')\ne.__notes__ = ['a note']\nraise e", 1),
    "error_group": (
        "import asyncio\n"
        "raise getattr(__builtins__, 'ExceptionGroup', ValueError)('g', [ValueError(1)])",
        1,
    ),
    "recursion_error": ("def f(): f()\nf()", 1),
    "import_error": ("import json.nothing", 1),
    "name_hint": ("jsn.loads('')", 1),
    "attribute_hint": ("json.load_s('')", 1),
    "syntax_error": ("def f(:\n  pass", 1),
    "syntax_error_at_run_time": ("exec('a b')", 1),
    "syntax_error_in_import": ("import broken_module", 1),
    "indentation_error": ("if True:\npass", 1),
    "null_byte": ("'\0'", 1),
    "future": ("from __future__ import braces", 1),
    "return_outside": ("return 3", 1),
    "exit_in_atexit": ("import atexit\natexit.register(sys.exit, 4)", 0),
    "error_in_atexit": ("import atexit\natexit.register(divmod, 1, 0)", 0),
    "error_in_del": (
        "class D:\n    def __del__(self): 1 / 0\n"
        "sys.unraisablehook = lambda u: print(u.exc_value)\nd = D()\ndel d",
        0,
    ),
    "excepthook": ("sys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0", 1),
    "excepthook_fails": ("sys.excepthook = lambda *a: {}['k']\n1 / 0", 1),
    "excepthook_exits": ("sys.excepthook = lambda *a: sys.exit(8)\n1 / 0", 8),
    "excepthook_gone": ("del sys.excepthook\n1 / 0", 1),
    "stderr_gone": ("sys.stderr = None\n1 / 0", 1),
    "stdout_gone": ("sys.stdout = None\nprint('x')", 0),
    "keyboard_interrupt": ("raise KeyboardInterrupt", -signal.SIGINT),
    "interrupt_itself": (
        "os.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(60)",
        -signal.SIGINT,
    ),
    "interrupt_with_handler": (
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\nraise KeyboardInterrupt",
        -signal.SIGINT,
    ),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "aborted": ("os.abort()", -signal.SIGABRT),
    "executes_another": ("sys.stdout.flush()\nos.execv('/bin/echo', ['echo', 'another'])", 0),
    "executes_itself": (
        "if len(sys.argv) < 3:\n"
        "    os.execv(sys.executable, [*sys.orig_argv[:2], 'again', *sys.argv[1:], 'x'])\n"
        "print(sys.argv[1:])",
        0,
    ),
    "daemon_forked": (
        "if os.fork() == 0:\n    print('child'); sys.exit(3)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))",
        0,
    ),
    "child_raises": (
        "if os.fork() == 0:\n    1 / 0\nprint(os.waitstatus_to_exitcode(os.wait()[1]))",
        0,
    ),
    "unicode_source": ("# -*- coding: utf-8 -*-\nprint('gr\u00fc\u00dfe')\n1 / 0", 1),
    "faulthandler": ("import faulthandler\nfaulthandler.dump_traceback(all_threads=False)", 0),
    "warning": (
        "import warnings\nwarnings.warn('careful', stacklevel=1)\n"
        "warnings.warn('old', DeprecationWarning)",
        0,
    ),
    "resource_warning": ("open(__file__)\nwarnings = 1", 0),
    "assertion": ("assert json is None, 'text'", 1),
    "generator_exit": ("raise GeneratorExit('g')", 1),
    "stdout_replaced": (
        "import io\nsys.stdout.write('buffered')\nsys.stdout = io.StringIO()\nprint('lost')",
        0,
    ),
    "stdout_deleted": ("sys.stdout.write('buffered')\ndel sys.stdout", 0),
    "held_by_module": (f"{LOUD}json.held = Loud()", 0),
    "held_deep_in_module": (f"{LOUD}json.held = [{{'key': Loud()}}]", 0),
    "held_by_class_of_module": (f"{LOUD}json.JSONDecoder.held = Loud()", 0),
    "held_by_builtins": (f"{LOUD}import builtins\nbuiltins.held = Loud()", 0),
    "held_by_sys": (f"{LOUD}sys.held = Loud()", 0),
    "held_by_context": (
        f"{LOUD}import contextvars\nv = contextvars.ContextVar('v')\nv.set(Loud())",
        0,
    ),
    "held_by_handler": (
        f"{LOUD}held = Loud()\nsignal.signal(signal.SIGUSR1, lambda *_: held)",
        0,
    ),
    "held_by_hook": (f"{LOUD}held = Loud()\nsys.excepthook = lambda *_: held", 0),
    "held_without_collector": (f"{LOUD}import gc\ngc.disable()\njson.held = held = Loud()", 0),
    "held_by_thread": (
        f"{LOUD}held = Loud()\njson.held = Loud()\n"
        "e = threading.Event()\nf = threading.Event()\n"
        "def wait():\n    e.set()\n    f.wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\ne.wait()",
        0,
    ),
    "generator_held_by_module": (
        "def g():\n    try:\n        yield\n    finally:\n        print('closed')\n"
        "json.held = g()\nnext(json.held)",
        0,
    ),
    "coroutine_held_by_module": ("async def c(): pass\njson.held = c()", 0),
    "file_held_by_module": ("json.held = open('held.txt', 'w')\njson.held.write('text')", 0),
    "globals_without_functions": (
        "import loud_module\nfirst = loud_module.Loud('first')"
        "\n_second = loud_module.Loud('second')\nthird = loud_module.Loud('third')",
        0,
    ),
    "held_by_import": ("import loud_module", 0),
    "import_in_del": (
        "class D:\n    def __repr__(self): return 'D'\n"
        "    def __del__(self):\n"
        "        try:\n            import json\n"
        "        except ImportError as e:\n            print(e)\n"
        "        print(sys.is_finalizing(), sys.path, len(sys.modules))\nd = D()",
        0,
    ),
    "base_exception": ("class B(BaseException): pass\nraise B(1, 2)", 1),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_ending(starter, name):
    ending, status = ENDINGS[name]
    write(starter.folder / "script" / "broken_module.py", "a = (\n")
    write(
        starter.folder / "script" / "loud_module.py",
        "class Loud:\n"
        "    def __init__(self, name):\n"
        "        self.name = name\n\n"
        "    def __del__(self):\n"
        "        print('end of', self.name)\n\n\n"
        "HELD = Loud('what an import made')\n",
    )
    imports = "import loud_module\n" if "loud_module" in ending else ""
    script = write(
        starter.folder / "script" / f"{name}.py",
        f"{imports}import json\nimport os\nimport signal\nimport sys\n"
        f"import threading\nprint('starts', json.dumps(1))\n{ending}\n",
    )
    starter.both(script, "argument", expect=status)


@pytest.mark.parametrize(
    "name",
    [
        "error",
        "exit_text",
        "keyboard_interrupt",
        "syntax_error",
        "excepthook_fails",
        "error_group",
        pytest.param("error_in_atexit", marks=pytest.mark.core),
        "stdout_gone",
        "stdout_replaced",
        pytest.param("held_by_module", marks=pytest.mark.core),
        "held_by_context",
        "held_by_sys",
        "held_by_thread",
        "held_by_import",
        "globals_without_functions",
        "import_in_del",
    ],
)
def test_ending_on_every_interpreter(each_starter, name):
    test_ending(each_starter, name)


def test_script_that_vanishes(starter):
    """A script that is gone at the second start is reported as Python does."""
    script = write(starter.folder / "gone.py", "import json\nprint(json.dumps(1))\n")
    if starter.glowplug:
        starter.ensure_frozen(script)
    script.unlink()
    plain = starter.plain(script)
    assert plain.status == 2
    if starter.glowplug:
        outcome = starter.start(script)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (2, b"", plain.stderr)


def test_errors_that_nobody_can_catch(each_starter):
    """What is said of them has addresses in it."""
    script = Path(__file__).parent / "situations" / "unraisable_errors.py"

    def said(outcome):
        def without(text):
            return re.sub(rb" at 0x[0-9a-f]+", b" at 0x", text)

        return replace(outcome, stdout=without(outcome.stdout), stderr=without(outcome.stderr))

    plain = said(each_starter.plain(script))
    assert plain.status == 1 and b"closed" in plain.stderr, plain.errors()
    if each_starter.glowplug:
        each_starter.ensure_frozen(script)
        require_same(plain, said(each_starter.start(script, via="thaw")))
