"""Imports run in the order of the program; what it does in between comes in between."""

import json
import sys

print("between two imports", "colorsys" in sys.modules, "json" in sys.modules)
import colorsys  # noqa: E402

print(colorsys.rgb_to_hsv(1, 0, 0))
print(json.__name__, sys.modules["__main__"].json is json)
from email import message as renamed  # noqa: E402

print(renamed.__name__)
try:
    import does_not_exist  # noqa: F401
except ModuleNotFoundError as error:
    print(error, error.name, error.path)
