"""A cluster of two workers under their nannies computes, loses a worker and gets another, and ends.

dask_cluster.py PYTHON
"""

import json
import os
import signal
import sys
from multiprocessing import spawn

import pandas
from distributed import Client, LocalCluster


def about() -> list:
    import multiprocessing

    process = multiprocessing.current_process()
    frame = pandas.DataFrame({"a": [1, 2, 3]})
    return [sys.executable, __name__, process.daemon, sys.flags.optimize, int(frame.a.sum())]


def main(python: str) -> None:
    spawn.set_executable(python)
    seen = {}
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        seen["sum"] = sum(client.gather(client.map(lambda x: x + 1, range(20))))
        seen["workers"] = sorted(client.run(about).values())
        workers = client.run(os.getpid)
        victim = min(workers.values())
        lost = {name for name, pid in workers.items() if pid == victim}
        os.kill(victim, signal.SIGKILL)
        while lost & set(client.scheduler_info(n_workers=-1)["workers"]):
            client.sync(lambda: __import__("asyncio").sleep(0.01))
        client.wait_for_workers(2)
        seen["another"] = client.submit(lambda: 6 * 7).result()
        try:
            client.submit(lambda: 1 // 0).result()
        except ZeroDivisionError as error:
            seen["error"] = str(error)
    print(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
