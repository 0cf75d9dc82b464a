"""Fits a price and groups by area: a small real job on pandas and scikit-learn."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(7)
flats = pd.DataFrame(
    {
        "size": rng.uniform(30, 160, 1000),
        "rooms": rng.integers(1, 6, 1000),
        "area": rng.integers(0, 8, 1000),
    }
)
flats["price"] = 3000 * flats["size"] + 9000 * flats["rooms"] + rng.normal(0, 20000, 1000)
model = LinearRegression().fit(flats[["size", "rooms"]], flats["price"])
print(model.coef_.round(1))
print(flats.groupby("area")["price"].mean().round(0))
