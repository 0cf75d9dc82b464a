"""Daemon threads that still run do not keep the program from ending."""

import threading

started = threading.Event()


def forever():
    started.set()
    while True:
        sum(range(1000))


for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
assert started.wait(30)
print("done")
