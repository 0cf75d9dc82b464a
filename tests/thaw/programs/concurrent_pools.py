"""concurrent.futures: threads and processes, errors and order of completion."""

import concurrent.futures
import multiprocessing
import os


def work(n):
    if n == 3:
        raise ValueError(f"no {n}")
    return n * 10


def main():
    fork = multiprocessing.get_context("fork")
    pools = (
        concurrent.futures.ThreadPoolExecutor(3),
        concurrent.futures.ProcessPoolExecutor(2, mp_context=fork),
    )
    for pool in pools:
        with pool:
            futures = [pool.submit(work, n) for n in range(5)]
            done, waiting = concurrent.futures.wait(futures)
            assert not waiting and len(done) == 5
            print(
                type(pool).__name__,
                [f.exception() and str(f.exception()) or f.result() for f in futures],
            )
            print(sum(pool.map(abs, range(-50, 50))))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool._max_workers == min(
            32, (getattr(os, "process_cpu_count", os.cpu_count)() or 1) + 4
        )


if __name__ == "__main__":
    main()
