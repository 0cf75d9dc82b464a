"""Classes by attrs, their validators, and what inspect sees of them."""

import inspect

import attr
import attrs
from attrs import converters, validators


@attrs.define
class Point:
    x: int = attrs.field(converter=int, validator=validators.ge(0))
    y: int = attrs.field(default=0, converter=converters.optional(int))


@attr.s(frozen=True)
class Old:
    value = attr.ib(factory=list)


print(Point("3"), attrs.asdict(Point(1, None)), Old(), inspect.signature(Point))
try:
    Point(-1)
except ValueError as error:
    print(error.args[0])
