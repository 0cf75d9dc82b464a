"""What the suite takes from newer versions of `unittest` and `test.support`."""

import unittest
from test import support


def _missing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *_, **__: unittest.skip(f"this version has no test.support.{name}")


support.__getattr__ = _missing

if not hasattr(unittest.TestCase, "assertHasAttr"):
    unittest.TestCase.assertHasAttr = lambda self, thing, name: self.assertTrue(
        hasattr(thing, name), f"{thing!r} has no attribute {name!r}"
    )
    unittest.TestCase.assertNotHasAttr = lambda self, thing, name: self.assertFalse(
        hasattr(thing, name), f"{thing!r} has attribute {name!r}"
    )
