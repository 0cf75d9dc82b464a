"""Tables, compute kernels, Parquet and IPC; the pool of threads is started by the first use."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

table = pa.table({"k": ["a", "b"] * 500, "v": list(range(1000))})
print(table.group_by("k").aggregate([("v", "sum"), ("v", "max")]).sort_by("k").to_pydict())
pq.write_table(table, "table.parquet", compression="zstd")
assert pq.read_table("table.parquet").equals(table)
print(pc.mean(table["v"]).as_py(), table.schema, pc.utf8_upper(table["k"])[:3].to_pylist())
sink = pa.BufferOutputStream()
with pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table)
print(len(sink.getvalue()), pa.ipc.open_stream(sink.getvalue()).read_all().num_rows)
