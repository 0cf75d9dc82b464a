"""Documents to JSON and back, in pure Python."""

import json
import json.encoder
import json.scanner

DOCUMENT = {"rows": [{"id": i, "name": f"n{i}", "tags": ["a", "b"], "x": i / 7} for i in range(60)]}


def main():
    decoder = json.JSONDecoder()
    decoder.scan_once = json.scanner.py_make_scanner(decoder)
    for _ in range(25):
        text = "".join(json.JSONEncoder(indent=1).iterencode(DOCUMENT))
        assert decoder.decode(text) == DOCUMENT
