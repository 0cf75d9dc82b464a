"""Trace functions, profilers, and tools built on them, over modules that came with the image."""

import bdb
import collections
import contextlib
import cProfile
import io
import json
import json.decoder
import os
import pstats
import sys
import threading
import trace
import tracemalloc

HERE = os.path.basename(__file__)


def work(depth=2):
    values = json.loads('{"a": [1, 2, {"b": null}]}')
    return work(depth - 1) if depth else collections.Counter(json.dumps(values))


seen = []


def tracer(frame, event, argument):
    name = os.path.basename(frame.f_code.co_filename)
    if name in (HERE, "decoder.py", "encoder.py", "__init__.py"):
        seen.append((name, frame.f_code.co_name, frame.f_lineno, event))
        return tracer
    return None


sys.settrace(tracer)
work()
sys.settrace(None)
print(len(seen), seen[:40])

profiled = collections.Counter()
sys.setprofile(lambda frame, event, argument: profiled.update([(frame.f_code.co_name, event)]))
work()
sys.setprofile(None)
print(sorted(profiled.items()))

seen.clear()
threading.settrace(tracer)
thread = threading.Thread(target=work)
thread.start()
thread.join()
threading.settrace(None)
print(len(seen))

counts = trace.Trace(count=1, trace=0)
counts.runfunc(work)
lines = {
    (os.path.basename(file), line): count for (file, line), count in counts.results().counts.items()
}
print(sorted(lines.items()))

profile = cProfile.Profile()
profile.runcall(work)
calls = {
    (os.path.basename(file), line, name): numbers[:2]
    for (file, line, name), numbers in pstats.Stats(profile, stream=io.StringIO()).stats.items()
}
print(sorted(calls.items()))

if hasattr(sys, "monitoring"):
    monitoring = sys.monitoring
    entered = collections.Counter()
    monitoring.use_tool_id(monitoring.PROFILER_ID, "test")
    monitoring.register_callback(
        monitoring.PROFILER_ID,
        monitoring.events.PY_START,
        lambda code, offset: entered.update([code.co_qualname]),
    )
    monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.PY_START)
    work()
    monitoring.set_events(monitoring.PROFILER_ID, 0)
    monitoring.free_tool_id(monitoring.PROFILER_ID)
    print(sorted(entered.items()))


class Stops(bdb.Bdb):
    def user_line(self, frame):
        print("stopped in", frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno)
        self.set_continue()


debugger = Stops()
assert (
    debugger.set_break(
        json.decoder.__file__, json.decoder.JSONDecoder.decode.__code__.co_firstlineno + 6
    )
    is None
)
with contextlib.suppress(bdb.BdbQuit):
    debugger.runcall(work, 0)

tracemalloc.start(5)
kept = [bytes(1000) for _ in range(100)]
snapshot = tracemalloc.take_snapshot()
largest = snapshot.filter_traces([tracemalloc.Filter(True, __file__)]).statistics("lineno")[0]
print(largest.count >= 100, largest.size >= 100_000, largest.traceback[0].lineno)
trail = tracemalloc.get_object_traceback(kept[0])
print([os.path.basename(frame.filename) for frame in trail])
print(tracemalloc.get_object_traceback(json.loads))
tracemalloc.stop()
