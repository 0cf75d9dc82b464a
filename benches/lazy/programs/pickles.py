"""Pickling in pure Python."""

import io
import pickle

THING = [{"id": i, "items": (i, str(i), [i] * 3)} for i in range(220)]


def main():
    for _ in range(30):
        file = io.BytesIO()
        pickle._Pickler(file).dump(THING)
        assert pickle._Unpickler(io.BytesIO(file.getvalue())).load() == THING
