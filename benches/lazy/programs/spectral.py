"""The spectral norm of a matrix: calls of small functions and builtins."""

import operator


def entry(i, j):
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)


def times(vector):
    return [
        sum(map(operator.mul, (entry(i, j) for j in range(len(vector))), vector))
        for i in range(len(vector))
    ]


def main():
    vector = [1.0] * 90
    for _ in range(12):
        vector = times(vector)
        largest = max(vector)
        vector = [x / largest for x in vector]
