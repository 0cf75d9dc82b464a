"""Deep copies of nested structures and dataclasses."""

import copy
import dataclasses


@dataclasses.dataclass
class Node:
    value: int
    children: list = dataclasses.field(default_factory=list)


def tree(depth):
    return Node(depth, [tree(depth - 1) for _ in range(2)] if depth else [])


def main():
    original = tree(7)
    for _ in range(60):
        assert copy.deepcopy(original).children[0].value == 6
