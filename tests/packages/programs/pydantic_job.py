"""Models, errors, serialisation and a schema."""

import datetime
import json

from pydantic import BaseModel, ValidationError, field_validator


class Person(BaseModel):
    name: str
    born: datetime.date
    friends: list["Person"] = []

    @field_validator("name")
    @classmethod
    def not_empty(cls, value: str) -> str:
        if not value:
            raise ValueError("a name is needed")
        return value.title()


person = Person.model_validate_json(
    '{"name": "anna b", "born": "2000-02-29", "friends": [{"name": "c", "born": "1999-01-01"}]}'
)
print(person.model_dump_json(), person.friends[0])
try:
    Person.model_validate({"name": "", "born": "never"})
except ValidationError as error:
    print(error.error_count(), [(e["loc"], e["type"]) for e in error.errors()])
print(json.dumps(Person.model_json_schema(), sort_keys=True))
