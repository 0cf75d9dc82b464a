"""Planets under gravity: floats and attribute-free loops."""

import itertools
import math

PLANETS = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47],
    [4.84, -1.16, -0.10, 0.60, 2.81, -0.02, 0.037],
    [8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.011],
    [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017],
]


def main():
    bodies = [list(body) for body in PLANETS]
    pairs = list(itertools.combinations(bodies, 2))
    for _ in range(9000):
        for a, b in pairs:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            pull = 0.001 / (distance * distance * distance)
            for i, d in ((3, dx), (4, dy), (5, dz)):
                a[i] -= d * b[6] * pull
                b[i] += d * a[6] * pull
        for body in bodies:
            for i in range(3):
                body[i] += 0.001 * body[i + 3]
