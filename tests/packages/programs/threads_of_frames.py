"""Queries of polars and pyarrow on their pools, and what their allocators do without a thread."""

import os

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset


def names():
    tasks = [f"/proc/self/task/{task}/comm" for task in os.listdir("/proc/self/task")]
    return sorted(open(task).read().strip() for task in tasks)


print("pools", pl.thread_pool_size(), pa.cpu_count(), pa.io_thread_count())
frame = pl.DataFrame({"k": [n % 97 for n in range(300_000)], "v": range(300_000)})
for engine in ("in-memory", "streaming"):
    query = frame.lazy().group_by("k").agg(pl.col("v").sum()).sort("k")
    print(query.collect(engine=engine).sum().row(0))
print("workers", sum(name.startswith("polars-") and name[7:].isdigit() for name in names()))

pool = pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else None
for _ in range(50):
    kept = pa.array(range(100_000), memory_pool=pool)
    del kept
print("left", pool.bytes_allocated() if pool else 0)
table = pa.table({"k": [n % 97 for n in range(300_000)], "v": list(range(300_000))})
print(table.group_by("k").aggregate([("v", "sum")]).sort_by("k")["v_sum"][:3])
os.mkdir("set")
for part in range(4):
    pyarrow.csv.write_csv(table.slice(part * 75_000, 75_000), f"set/{part}.csv")
found = pyarrow.dataset.dataset("set", format="csv").to_table(filter=pc.field("k") == 5)
print(found.num_rows, pc.sum(found["v"]))
