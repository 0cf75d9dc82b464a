"""What runs at exit, and in which order: threads, atexit, finalizers, and data that nobody
flushed.
"""

import atexit
import json
import sys
import threading
import weakref


class Finalized:
    pass


thing = Finalized()
weakref.finalize(thing, print, "weakref.finalize")
atexit.register(print, "atexit registered first")
atexit.register(print, "atexit registered last", json.dumps([1]))
left_open = open("unflushed.txt", "w")
left_open.write("this reached the disk\n")
binary = open("unflushed.bin", "wb", buffering=1 << 20)
binary.write(b"\x00\xff" * 5000)
gate = threading.Event()
still_running = threading.Thread(target=lambda: (gate.wait(), print("a thread outlives __main__")))
still_running.start()
gate.set()
sys.stdout.write("no newline at the end of __main__; ")
