"""Ways through a maze: random, dicts, tuples and a deque."""

import collections
import random


def main():
    for seed in range(5):
        choice = random.Random(seed)
        walls = {(choice.randrange(120), choice.randrange(120)) for _ in range(3000)} - {(0, 0)}
        ways = {(0, 0): None}
        queue = collections.deque(ways)
        while queue:
            x, y = queue.popleft()
            for at in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if min(at) >= 0 and max(at) < 120 and at not in walls and at not in ways:
                    ways[at] = (x, y)
                    queue.append(at)
