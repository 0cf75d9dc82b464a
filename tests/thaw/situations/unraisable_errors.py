"""Errors that nobody can catch: what is said of them, while the program runs and at its end."""

import asyncio
import atexit
import gc
import json
import logging
import sys
import threading
import warnings
import weakref


class Raises:
    def __init__(self, when):
        self.when = when

    def __repr__(self):
        return f"<raises {self.when}>"

    def __del__(self):
        raise ValueError(f"in a finalizer, {self.when}")


def generator():
    try:
        yield 1
    finally:
        raise KeyError("while a generator is closed")


async def forgotten():
    raise OSError("in a task that nobody waits for")


async def run():
    task = asyncio.get_running_loop().create_task(forgotten())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()


def callback(reference):
    raise IndexError("in a weak reference's callback")


Raises("at once")
suspended = generator()
next(suspended)
del suspended
target = set()
reference = weakref.ref(target, callback)
del target
thread = threading.Thread(target=json.loads, args=("no json",), name="failing")
thread.start()
thread.join()
asyncio.run(run())
logging.getLogger("of the program").error("without a handler %d", 1)
logging.getLogger().warning("formatted %d wrongly", "text")
warnings.warn("shown where it is given", UserWarning, stacklevel=1)

taken = []
sys.unraisablehook = lambda unraisable: taken.append(
    (unraisable.exc_type.__name__, unraisable.err_msg, repr(unraisable.object)[:12])
)
Raises("with a hook")
print(taken)
sys.unraisablehook = sys.__unraisablehook__
sys.excepthook = lambda kind, error, trace: print("excepthook", kind.__name__, error)
atexit.register(lambda: 1 / 0)
atexit.register(print, "after a handler that raises")
atexit.register(json.loads, "{")
at_the_end = Raises("at the end")
json.kept = Raises("kept by a module")
cycle = [Raises("in a cycle")]
cycle.append(cycle)
del cycle
raise LookupError("the program's own")
