"""Lazy and eager frames on polars' own threads, which are started by the first query."""

import polars as pl

frame = pl.DataFrame({"k": ["a", "b", "c"] * 1000, "v": range(3000)})
print(frame.group_by("k").agg(pl.col("v").sum(), pl.col("v").mean().alias("m")).sort("k"))
print(frame.lazy().filter(pl.col("v") % 7 == 0).select(pl.col("v").sum()).collect().item())
frame.write_csv("frame.csv")
assert pl.read_csv("frame.csv").equals(frame)
print(
    frame.join(frame.head(3), on="k", how="left").height,
    frame["v"].rolling_mean(3).tail(2).to_list(),
)
