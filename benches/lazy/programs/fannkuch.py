"""Flips of pancakes: lists and slices."""

import itertools


def main():
    most = 0
    for order in itertools.permutations(range(8)):
        row = list(order)
        flips = 0
        while row[0]:
            last = row[0] + 1
            row[:last] = row[last - 1 :: -1] if last > len(row) else row[:last][::-1]
            flips += 1
        most = max(most, flips)
    assert most == 22
