"""Generators and coroutines that are suspended at exit run their `finally` as in a plain start."""

import contextlib


def suspended():
    try:
        yield 1
    finally:
        print("the generator was closed", flush=True)


@contextlib.contextmanager
def managed():
    print("entered")
    try:
        yield
    finally:
        print("left", flush=True)


generator = suspended()
print(next(generator))
manager = managed()
manager.__enter__()
