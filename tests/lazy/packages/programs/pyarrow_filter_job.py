"""A column is filtered: pyarrow.compute comes in by this alone."""

import pyarrow as pa

table = pa.table({"v": list(range(1000))})
print(table["v"].filter(pa.array([True, False] * 500)).length())
