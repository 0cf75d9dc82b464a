"""sqlite3 in memory and on disk, with functions, transactions and threads."""

import sqlite3
import threading

with sqlite3.connect(":memory:") as memory:
    memory.create_function("twice", 1, lambda n: n * 2)
    memory.execute("create table t (a integer primary key, b text)")
    memory.executemany("insert into t (b) values (?)", [("x",), ("y",), ("z",)])
    print(memory.execute("select twice(a), b from t order by a").fetchall())
memory.close()

disk = sqlite3.connect("data.db")
disk.execute("create table t (n integer)")
disk.executemany("insert into t values (?)", ((n,) for n in range(1000)))
disk.commit()
try:
    with disk:
        disk.execute("delete from t")
        raise KeyError("roll back")
except KeyError:
    pass
print(disk.execute("select count(*), sum(n) from t").fetchone())
disk.close()
sums = []


def read():
    own = sqlite3.connect("data.db")
    sums.append(own.execute("select sum(n) from t").fetchone()[0])
    own.close()


threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sums, sqlite3.threadsafety if hasattr(sqlite3, "threadsafety") else None)
