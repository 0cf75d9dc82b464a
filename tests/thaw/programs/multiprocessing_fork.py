"""multiprocessing by fork: pools, queues, pipes, shared memory, and exit statuses."""

import multiprocessing
import os
import sys
from multiprocessing import shared_memory


def square(n):
    return n * n


def report(connection, inbox):
    connection.send((multiprocessing.current_process().name, inbox.get(), os.getppid()))
    connection.close()
    sys.exit(7)


def fill(name):
    memory = shared_memory.SharedMemory(name)
    memory.buf[:5] = b"hello"
    memory.close()


def main():
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        print(pool.map(square, range(10)))
    receiver, sender = context.Pipe(duplex=False)
    inbox = context.Queue()
    child = context.Process(target=report, args=(sender, inbox), name="reporter")
    child.start()
    inbox.put("letter")
    name, letter, parent = receiver.recv()
    child.join()
    print(name, letter, child.exitcode)
    assert "fork" == "forkserver" or parent == os.getpid()
    inbox.close()
    inbox.join_thread()
    memory = shared_memory.SharedMemory(create=True, size=64)
    writer = context.Process(target=fill, args=(memory.name,))
    writer.start()
    writer.join()
    print(bytes(memory.buf[:5]), writer.exitcode)
    memory.close()
    memory.unlink()


if __name__ == "__main__":
    main()
