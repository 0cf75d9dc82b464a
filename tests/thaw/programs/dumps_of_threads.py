"""faulthandler: tracebacks of all threads, on demand, by a signal, and after a time."""

import faulthandler
import json
import os
import re
import signal
import sys
import tempfile
import threading

ready, finish = threading.Event(), threading.Event()


def waits():
    ready.set()
    finish.wait()


thread = threading.Thread(target=waits, name="waiting")
thread.start()
ready.wait()


def shown(file):
    file.seek(0)
    text = re.sub(r"0x[0-9a-f]+", "0x", file.read().decode())
    # Where a thread waits within `threading` is a matter of the moment.
    lines = [line for line in text.splitlines() if "threading.py" not in line]
    print("\n".join(lines))


with tempfile.TemporaryFile() as file:
    faulthandler.dump_traceback(file)
    shown(file)
with tempfile.TemporaryFile() as file:
    faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
    os.kill(os.getpid(), signal.SIGUSR1)
    shown(file)
    print(faulthandler.unregister(signal.SIGUSR1))
reader, writer = os.pipe()
faulthandler.dump_traceback_later(0.01, file=writer)
first = os.read(reader, 7)
faulthandler.cancel_dump_traceback_later()
print(first)
finish.set()
thread.join()
print(faulthandler.is_enabled(), json.dumps(sorted(t.name for t in threading.enumerate())))
faulthandler.enable(sys.stdout)
sys.stdout.flush()
faulthandler.disable()
