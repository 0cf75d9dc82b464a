"""A test file that tells a thawed start from a plain one, by what docs/differences.md says of
`gc.get_freeze_count()`.
"""

import gc
import unittest


class Tells(unittest.TestCase):
    def test_nothing_is_frozen(self):
        self.assertEqual(gc.get_freeze_count(), 0)

    def test_that_is_the_same(self):
        self.assertTrue(gc.isenabled())
