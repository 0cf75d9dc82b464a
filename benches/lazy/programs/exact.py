"""Exact arithmetic: fractions in pure Python."""

import fractions
import functools
import operator


def main():
    for _ in range(90):
        parts = [fractions.Fraction(1, n) for n in range(1, 250)]
        total = functools.reduce(operator.add, parts)
        assert total.denominator > total.numerator // 10
