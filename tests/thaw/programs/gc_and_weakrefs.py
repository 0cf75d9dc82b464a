"""The collector finds cycles made after the thaw, and leaves the frozen objects alone."""

import collections
import email.parser
import gc
import json
import weakref


class Node:
    pass


def make_cycle():
    node = Node()
    node.me = node
    return weakref.ref(node)


references = [make_cycle() for _ in range(100)]
gc.collect()
assert all(reference() is None for reference in references)
assert gc.get_stats()[2]["uncollectable"] == 0
gc.disable()
references = [make_cycle() for _ in range(10)]
assert all(reference() is not None for reference in references)
gc.enable()
for _ in range(200_000):
    Node().me = []
gc.collect()
assert all(reference() is None for reference in references)
cache = weakref.WeakValueDictionary()
cache["x"] = node = Node()
assert "x" in cache
del node
assert "x" not in cache
counted = collections.Counter("abracadabra")
print(json.dumps(counted), email.parser.Parser().parsestr("A: b\n\nc").get_payload())
