"""What the suite takes from newer versions of `unittest` and `test.support`."""

import unittest

from test import support
from test.support import script_helper


def _missing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *_, **__: unittest.skip(f"this version has no test.support.{name}")


support.__getattr__ = _missing

if "requires_subprocess" not in vars(support):
    # Whether the platform can start processes; there was none that could not.
    support.requires_subprocess = lambda: lambda test: test


def _sub_tests(name, values):
    """A test once for each value of an argument."""

    def decorate(test):
        def run(self):
            for value in values:
                with self.subTest(**{name: value}):
                    test(self, **{name: value})

        return run

    return decorate


if "subTests" not in vars(support):
    support.subTests = _sub_tests

if not hasattr(unittest.TestCase, "assertHasAttr"):
    unittest.TestCase.assertHasAttr = lambda self, thing, name: self.assertTrue(
        hasattr(thing, name), f"{thing!r} has no attribute {name!r}"
    )
    unittest.TestCase.assertNotHasAttr = lambda self, thing, name: self.assertFalse(
        hasattr(thing, name), f"{thing!r} has attribute {name!r}"
    )

# Programs of the suite run with `-I`, where neither PYTHONPATH nor the shim would be seen; a
# variable of their own prevents that.
for _name in ("assert_python_ok", "assert_python_failure"):
    _own = getattr(script_helper, _name)
    setattr(
        script_helper,
        _name,
        lambda *arguments, _own=_own, **variables: _own(
            *(a for a in arguments if a != "-I"), **{"LAZY_SEEN": "1", **variables}
        ),
    )
