"""Large products and decompositions on OpenBLAS's workers, which a thaw has to start again."""

import os

import numpy as np
import scipy.linalg
import threadpoolctl


def threads():
    return len(os.listdir("/proc/self/task"))


dice = np.random.default_rng(0)
a = dice.random((2000, 2000))
product = a @ a
assert np.allclose(product[7], a[7] @ a)
x = scipy.linalg.solve(a, a[:, 0])
assert np.allclose(a @ x, a[:, 0], atol=1e-6)
print("threads", threads(), "processors", len(os.sched_getaffinity(0)), os.cpu_count())
for pool in threadpoolctl.threadpool_info():
    print(pool["user_api"], pool["internal_api"], pool["num_threads"], pool.get("threading_layer"))
with threadpoolctl.threadpool_limits(1):
    assert np.allclose((a @ a)[7], product[7])
assert np.allclose(a @ a, product)
print("threads", threads())
