"""Queens on a board: generators and sets."""

import itertools


def solutions(n):
    columns = range(n)
    for board in itertools.permutations(columns):
        if n == len({board[i] + i for i in columns}) == len({board[i] - i for i in columns}):
            yield board


def main():
    for _ in range(4):
        assert len(list(solutions(7))) == 40
    assert len(list(solutions(8))) == 92
