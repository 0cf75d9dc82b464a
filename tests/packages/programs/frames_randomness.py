"""Numbers that nobody seeded; each line must differ from start to start."""

import polars as pl
import pyarrow.compute as pc

print("series", pl.Series(range(10**6)).sample(2).to_list())
print("frame", pl.DataFrame({"a": range(10**6)}).sample(2)["a"].to_list())
print("arrow", pc.random(2).to_pylist())
