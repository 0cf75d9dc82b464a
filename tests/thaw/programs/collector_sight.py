"""What `gc` tells of objects that came with the image: all that plain Python tells."""

import asyncio
import gc
import json
import logging
import os
import weakref

print(gc.get_freeze_count(), gc.get_freeze_count.__doc__, repr(gc.get_objects)[:30])
print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks, gc.garbage)


class Node:
    """Ends in a cycle with a preloaded object."""

    def __del__(self):
        print("node ends", self.name)


def referrers(thing):
    found = gc.get_referrers(thing)
    return sorted(
        holder["__name__"] for holder in found if isinstance(holder, dict) and "__name__" in holder
    )


print(referrers(json.loads), referrers(json.JSONDecoder))
known = {id(thing) for thing in gc.get_objects()}
for thing in (json, vars(json), json.JSONEncoder, logging.root, asyncio.Task, os.environ):
    print(id(thing) in known, gc.is_tracked(thing))
print(len(known) > 5000, all(isinstance(objects, list) for objects in map(gc.get_objects, (0, 1))))
for wrong in (lambda: gc.get_objects(7), lambda: gc.get_objects(nothing=1), lambda: gc.freeze(1)):
    try:
        wrong()
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)

gc.freeze()
frozen = gc.get_freeze_count()
print(frozen > 5000, id(json) in {id(thing) for thing in gc.get_objects()})
gc.unfreeze()
print(gc.get_freeze_count())

node = Node()
node.name, node.self, node.module = "collected", node, json
seen = weakref.ref(node)
del node
gc.collect()
print(seen(), gc.get_freeze_count())

child = os.fork()
if child == 0:
    os._exit(gc.get_freeze_count() + 7 * (json not in gc.get_objects()))
print(os.waitpid(child, 0)[1])
last = Node()
last.name, last.cycle = "at the end", [last]
json.kept_until_the_end = Node()
json.kept_until_the_end.name = "of a preloaded module"
