"""Leaves out the tests that regrtest runs only for who asks for them: those that use the network, a
display, or much of time, processors, memory and disk. Test files ask while they are imported.
"""

from test import support

support.use_resources = []
support.verbose = False
