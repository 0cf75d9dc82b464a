"""A job whose workers are Python processes: rows, pandas frames, and a function that fails.

spark_job.py PYTHON
"""

import json
import os
import sys

from pyspark.sql import SparkSession


def about(_):
    import multiprocessing

    return [sys.executable, sys.prefix, multiprocessing.current_process().name]


def doubled(frames):
    for frame in frames:
        yield frame * 2


def main(python: str) -> None:
    os.environ["PYSPARK_PYTHON"] = python
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    numbers = spark.sparkContext.parallelize(range(100), 4)
    seen = {"sum": numbers.map(lambda x: x + 1).sum()}
    seen["process"] = spark.sparkContext.parallelize([0], 1).map(about).collect()
    frame = spark.range(10).mapInPandas(doubled, "id long")
    seen["frames"] = sorted(row.id for row in frame.collect())
    try:
        numbers.map(lambda x: x // 0).count()
    except Exception as error:
        seen["error"] = "ZeroDivisionError" in str(error)
    spark.stop()
    print(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
