"""Tells that it is ready, then waits to be interrupted."""

import json
import signal
import sys
import threading

how = sys.argv[1]


def ready():
    print("ready", json.dumps(how), flush=True)


def leave(number, frame):
    sys.exit(128 + number)


try:
    if how == "lock":
        ready()
        threading.Event().wait()
    elif how == "read":
        ready()
        sys.stdin.read()
    elif how == "compute":
        ready()
        # One line, so that every traceback names it.
        while True: pass  # noqa: E701 # fmt: skip
    elif how == "thread":
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        ready()
        thread.join()
    elif how == "ignored":
        print(signal.getsignal(signal.SIGINT), flush=True)
        ready()
        print(sys.stdin.read())
    elif how == "caught":
        try:
            ready()
            signal.pause()
        except KeyboardInterrupt:
            print("caught")
            sys.exit(5)
    elif how == "cleaned":
        signal.signal(signal.SIGTERM, leave)
        ready()
        signal.pause()
finally:
    print("finally")
