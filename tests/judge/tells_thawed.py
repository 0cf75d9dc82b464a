"""A test file that tells a thawed start from a plain one, by what docs/differences.md says of
/proc/self/exe.
"""

import os
import sys
import unittest


class Tells(unittest.TestCase):
    def test_executable(self):
        self.assertTrue(os.path.samefile("/proc/self/exe", sys.executable))

    def test_that_is_the_same(self):
        self.assertTrue(os.path.exists("/proc/self/exe"))
