"""A query that does not fit into its budget of memory spills to disk; its files are deleted."""

import os
import time
from pathlib import Path

import polars as pl

spill = Path(os.environ["POLARS_OOC_SPILL_DIR"])
# No process has this number.
(spill / "99999999").mkdir(parents=True, exist_ok=True)
rows = 1_000_000
frame = pl.LazyFrame(
    {"k": pl.int_range(rows, eager=True).shuffle(seed=1), "v": pl.int_range(rows, eager=True)}
)
query = frame.sort("k").group_by(pl.col("k") // 2).agg(pl.col("v").sum()).sort("k")
print(query.collect(engine="streaming").sum().row(0))
assert (spill / str(os.getpid())).is_dir(), "nothing was spilled"
end = time.monotonic() + 30
while (left := [path for path in spill.rglob("*") if path.is_file()]) and time.monotonic() < end:
    os.sched_yield()
print("left", len(left))
