"""Schemas with references and formats."""

import jsonschema
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

schema = {
    "type": "object",
    "properties": {"when": {"type": "string", "format": "date"}, "n": {"$ref": "urn:n"}},
    "required": ["n"],
}
number = Resource.from_contents(
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer", "minimum": 1}
)
validator = Draft202012Validator(
    schema,
    registry=Registry().with_resource("urn:n", number),
    format_checker=FormatChecker(),
)
for document in ({"n": 1, "when": "2024-02-29"}, {"n": 0, "when": "2023-02-29"}, {}):
    print([error.message for error in validator.iter_errors(document)])
try:
    jsonschema.validate("x", {"type": "number"})
except jsonschema.ValidationError as error:
    print(error.message)
