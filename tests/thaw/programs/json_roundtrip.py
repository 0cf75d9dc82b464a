"""json was imported before the freeze; it reads and writes as ever."""

import json
import json.decoder

document = {"name": "Grüße", "n": [1, 2.5, None, True], "deep": {"a": {"b": []}}}
text = json.dumps(document, ensure_ascii=False, sort_keys=True)
assert json.loads(text) == document
assert json.loads('"\\ud83d\\ude00"') == "\U0001f600"
try:
    json.loads("{broken")
except json.decoder.JSONDecodeError as error:
    print(error)
print(text)
