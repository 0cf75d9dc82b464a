"""A simulation of tasks: instances, methods and a heap."""

import collections
import heapq


class Task:
    def __init__(self, name, period):
        self.name = name
        self.period = period
        self.runs = 0

    def run(self, now, log):
        self.runs += 1
        log.append((now, self.name))
        return now + self.period


def main():
    tasks = [Task(f"t{i}", i % 7 + 1) for i in range(40)]
    queue = [(task.period, i) for i, task in enumerate(tasks)]
    log = collections.deque(maxlen=100)
    heapq.heapify(queue)
    for _ in range(160_000):
        now, i = heapq.heappop(queue)
        heapq.heappush(queue, (tasks[i].run(now, log), i))
