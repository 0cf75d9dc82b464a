"""Source, signatures, pickles and addresses of objects of the program and of preloaded modules."""

import ast
import collections
import copy
import dataclasses
import dis
import enum
import functools
import importlib
import importlib.resources
import inspect
import io
import json
import linecache
import logging
import os
import pickle
import pickletools
import pkgutil
import sys
import traceback
import types
import typing


@dataclasses.dataclass(order=True)
class Point:
    """A class of the program."""

    x: int
    y: "list[int]" = None

    def norm(self) -> float:
        return abs(self.x)


class Colour(enum.Enum):
    RED = 1
    BLUE = functools.partial(int)


print(inspect.getsource(Point.norm), inspect.getdoc(Point), inspect.signature(Point))
print(inspect.getsourcelines(json.dumps)[1], len(inspect.getsource(json.decoder)))
for thing in (Point, json, json.JSONDecoder.decode, collections.OrderedDict, logging.Logger.info):
    print(inspect.getmodule(thing), os.path.basename(inspect.getsourcefile(thing)))
for thing in (json.dumps, logging.basicConfig, len, int.from_bytes, id):
    print(inspect.signature(thing))
print([frame.function for frame in inspect.stack()], inspect.currentframe().f_lineno)
print(typing.get_type_hints(Point), [str(f.type) for f in dataclasses.fields(Point)])
print(linecache.getline(__file__, 1), traceback.format_stack()[-1])

for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    things = [Point(1), Colour.RED, json.loads, collections.OrderedDict(a=1), types, Ellipsis]
    kept = pickle.dumps(things[:4], protocol)
    assert pickle.loads(kept) == things[:4]
    print(protocol, kept)
for wrong in (lambda: 0, sys, (i for i in ())):
    try:
        pickle.dumps(wrong)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        print(type(error).__name__, str(error).split(" at 0x")[0])
pickletools.dis(pickle.dumps(Point(1, 2), 2))
assert copy.deepcopy(Point(3)) == Point(3) and copy.copy(Colour.RED) is Colour.RED

dis.dis(json.dumps)
dis.dis(Point.norm)
print(ast.dump(ast.parse(inspect.getsource(json.loads)))[:500])

main = sys.modules["__main__"]
print(main.__dict__ is globals(), Point.__module__, Point.__qualname__, sorted(vars(main))[:12])
print(
    [m.name for m in pkgutil.iter_modules(json.__path__)], json.__spec__.name, type(json.__loader__)
)
print(importlib.import_module("json.tool").__name__, importlib.reload(json) is json)
print(importlib.resources.files("json").joinpath("__init__.py").is_file())
print(json.loads.__code__.co_filename == json.__file__, json.__spec__.cached)
print(getattr(json, "__cached__", None))
print(sys.intern("inter" + "ned") is sys.intern("interned"), sys.getrefcount(object()) < 4)
help_text = io.StringIO()
sys.stdout, kept = help_text, sys.stdout
help(Point)
sys.stdout = kept
print(help_text.getvalue())
