"""Says what imports cost that a program was spared: argv[1] is JSON, the answer a line of JSON."""

import importlib
import json
import os
import sys
import time


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def load(name):
    try:
        importlib.import_module(name)
    except BaseException as error:
        return type(error).__name__


def main():
    question = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    # What an import prints is none of the answer.
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    sys.argv = [""]
    sys.path[0:1] = question["path"]
    for name in question["loaded"]:
        load(name)
    costs = []
    for name in question["spared"]:
        modules, memory, began = len(sys.modules), resident(), time.perf_counter_ns()
        error = load(name)
        ns = time.perf_counter_ns() - began
        added, memory = len(sys.modules) - modules, resident() - memory
        costs.append({"module": name, "ns": ns, "modules": added, "bytes": memory, "error": error})
    json.dump(costs, answer)
    answer.flush()
    # Threads and exit handlers of what was imported are not waited for.
    os._exit(0)


main()
