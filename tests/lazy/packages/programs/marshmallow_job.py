"""Schemas load, dump and complain; one is found by its name."""

import datetime

from marshmallow import Schema, ValidationError, fields, post_load, validate


class Author(Schema):
    name = fields.String(required=True, validate=validate.Length(min=2))


class Book(Schema):
    title = fields.String()
    day = fields.Date()
    author = fields.Nested("Author")

    @post_load
    def as_tuple(self, data, **_):
        return tuple(sorted(data.items(), key=lambda item: item[0]))


print(Book().load({"title": "t", "day": "2024-01-31", "author": {"name": "anna"}}))
print(Book().dump({"title": "t", "day": datetime.date(2024, 1, 31)}))
try:
    Book().load({"day": "x", "author": {"name": ""}})
except ValidationError as error:
    print(error.messages)
