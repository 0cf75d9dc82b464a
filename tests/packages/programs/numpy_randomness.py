"""Numbers that nobody seeded; each line must differ from start to start."""

import random

import numpy as np
import numpy.random

print("global", np.random.rand())
print("state", int(np.random.get_state()[1][0]))
print("generator", numpy.random.default_rng().random())
print("python", random.random())
