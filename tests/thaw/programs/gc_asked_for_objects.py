"""The collector's questions have the same answers about preloaded objects as about others, and
exit goes on in its order after them.
"""

import gc
import json
import trace


class Last:
    def __del__(self):
        print("finalised", json is not None)


assert gc.get_freeze_count() == 0
assert any(holder is vars(json) for holder in gc.get_referrers(json.JSONEncoder))
assert sum(1 for listed in gc.get_objects() if listed is vars(json)) == 1
assert any(listed is vars(trace) for n in range(3) for listed in gc.get_objects(generation=n))
gc.collect()

tracer = trace.Trace(count=False, trace=False, countfuncs=True)
tracer.runfunc(json.JSONEncoder().encode, {"one": [1, 2.5, None]})
print(sorted(name for _, _, name in tracer.results().calledfuncs))

gc.freeze()
count = gc.get_freeze_count()
assert count > 1000
assert not any(listed is vars(json) for listed in gc.get_objects())
gc.unfreeze()
assert gc.get_freeze_count() == 0
last = Last()
json.kept = Last()
