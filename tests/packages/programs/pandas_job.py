"""Group, join, reshape, time series, CSV and text."""

import io

import numpy as np
import pandas as pd

frame = pd.DataFrame(
    {
        "city": ["Bern", "Basel", "Bern", "Genf"] * 250,
        "n": range(1000),
        "x": np.linspace(0, 1, 1000),
    }
)
print(frame.groupby("city").agg({"n": "sum", "x": ["mean", "max"]}))
print(frame.merge(pd.DataFrame({"city": ["Bern", "Genf"], "code": [3, 12]}), on="city").tail(3))
series = pd.Series(
    range(100), index=pd.date_range("2024-01-01", periods=100, freq="6h", tz="Europe/Zurich")
)
print(series.resample("W").sum())
text = io.StringIO()
frame.head().to_csv(text)
print(pd.read_csv(io.StringIO(text.getvalue()), index_col=0).dtypes)
print(frame["city"].str.upper().value_counts(), frame.describe().round(3))
frame.to_pickle("frame.pickle")
assert pd.read_pickle("frame.pickle").equals(frame)
