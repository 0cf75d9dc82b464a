"""Objects with `__del__` alive at exit: globals, cycles, attributes of imported modules."""

import json


class Loud:
    def __init__(self, name):
        self.name = name

    def __del__(self, print=print):
        print("deleted", self.name, flush=True)


class Cycle(Loud):
    def __init__(self, name):
        super().__init__(name)
        self.me = self


in_main = Loud("a global of __main__")
_private = Loud("a private global of __main__")
circle = Cycle("a cycle")
json.loud = Loud("an attribute of an imported module")
print("end of __main__")
