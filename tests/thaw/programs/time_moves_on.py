"""Clocks, and values of the start that modules keep."""

import logging
import os
import random
import socket
import tempfile
import threading
import time
import uuid

now = time.time()
with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
    started = float(stat.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    up = float(uptime.read().split()[0])
age = up - started
assert -0.1 < age < 60, age
assert 0 <= time.process_time() < 60 and 0 < time.perf_counter() and time.monotonic() <= up + 60
record = logging.LogRecord("n", logging.INFO, "p", 1, "m", (), None)
assert 0 <= record.relativeCreated < 60_000, record.relativeCreated
assert record.process == os.getpid()
assert abs(record.created - now) < 60
assert uuid.uuid1().time > 0 and random.random() < 1 and socket.gethostname() == os.uname().nodename
assert tempfile.gettempdir() == "/tmp"
assert threading.main_thread().native_id == os.getpid()
logging.basicConfig(format="%(levelname)s %(threadName)s %(message)s")
logging.warning("to standard error")
print("clocks run")
