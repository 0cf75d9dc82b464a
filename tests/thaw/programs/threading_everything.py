"""Threads, locks, timers, thread-local data and the identity of the main thread."""

import _thread
import queue
import threading
import time

main = threading.main_thread()
assert main is threading.current_thread()
assert main.ident == threading.get_ident() == _thread.get_ident(), (
    "the main thread has another identity"
)
assert main.native_id == threading.get_native_id(), "the native id is that of the frozen process"
assert threading.active_count() == 1
assert [t.name for t in threading.enumerate()] == ["MainThread"]

counter = 0
lock = threading.Lock()


def count():
    global counter
    for _ in range(2000):
        with lock:
            counter += 1


workers = [threading.Thread(target=count) for _ in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("counted", counter)

local = threading.local()
local.value = "main"
seen = []


def look():
    seen.append(hasattr(local, "value"))
    local.value = "other"


thread = threading.Thread(target=look)
thread.start()
thread.join()
print("local", seen, local.value)

fired = threading.Event()
timer = threading.Timer(0.01, fired.set)
timer.start()
assert fired.wait(30)
timer.join()

barrier = threading.Barrier(3, timeout=30)
order = queue.Queue()


def meet(n):
    barrier.wait()
    order.put(n)


for n in range(3):
    threading.Thread(target=meet, args=(n,)).start()
print("met", sorted(order.get(timeout=30) for _ in range(3)))

condition = threading.Condition()
ready = []


def consume():
    with condition:
        assert condition.wait_for(lambda: ready, 30)


consumer = threading.Thread(target=consume)
consumer.start()
with condition:
    ready.append(1)
    condition.notify_all()
consumer.join()

reentrant = threading.RLock()
with reentrant, reentrant:
    print("owned", reentrant._is_owned())

started = time.monotonic()
assert not lock.acquire(False) or lock.release() is None
with lock:
    assert not lock.acquire(timeout=0.02)
assert 0.01 < time.monotonic() - started < 20

hooked = []
threading.excepthook = lambda args: hooked.append(args.exc_type.__name__)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
print("hooked", hooked)

daemon = threading.Thread(target=threading.Event().wait, daemon=True, name="stays")
daemon.start()
print("daemon", daemon.is_alive(), threading.active_count())
