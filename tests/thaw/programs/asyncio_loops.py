"""Loops are made after the thaw: timers, threads, children, sockets and signals in the loop."""

import asyncio
import os
import signal
import socket
import sys
import tempfile


async def timers():
    loop = asyncio.get_running_loop()
    order = []
    done = loop.create_future()
    loop.call_later(0.02, order.append, "later")
    loop.call_soon(order.append, "soon")
    loop.call_later(0.03, done.set_result, None)
    await done
    return order


async def child():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-S",
        "-c",
        "print(input()[::-1])",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"stressed\n")
    return out, process.returncode


async def echo_server():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        async with await asyncio.start_unix_server(answer, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"over a socket\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
    return line


async def signalled():
    loop = asyncio.get_running_loop()
    seen = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, seen.set_result, "SIGUSR1")
    os.kill(os.getpid(), signal.SIGUSR1)
    result = await asyncio.wait_for(seen, 10)
    loop.remove_signal_handler(signal.SIGUSR1)
    return result


async def timed_out():
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        return "timed out"


async def main():
    print(await timers())
    print(await asyncio.gather(*(asyncio.to_thread(pow, 2, n) for n in range(8))))
    print(await child())
    print(await echo_server())
    print(await signalled())
    print(await timed_out())
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(left, b"x" * 1000)
    assert len(await loop.sock_recv(right, 4096)) == 1000
    left.close()
    right.close()


if __name__ == "__main__":
    for _ in range(2):
        asyncio.run(main())
    print(
        signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, type(asyncio.new_event_loop()).__name__
    )
