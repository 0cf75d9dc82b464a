"""Training and clustering on OpenMP's threads, in the process and in a fork of it."""

import multiprocessing
import os

import numpy as np
import xgboost


def train(settings):
    dice = np.random.default_rng(1)
    x = dice.normal(size=(3000, 4))
    data = xgboost.DMatrix(x, (x[:, 0] > 0).astype(int))
    model = xgboost.train({"max_depth": 3, "seed": 0, **settings}, data, 5)
    return float(model.predict(data).sum())


def threads():
    return len(os.listdir("/proc/self/task"))


before = multiprocessing.get_context("fork").Pool(1)
print(before.apply(train, [{}]))
before.close()
before.join()
print(train({}), train({"nthread": 1}), train({"nthread": 2}))
print("threads", threads(), xgboost.build_info()["USE_OPENMP"])
