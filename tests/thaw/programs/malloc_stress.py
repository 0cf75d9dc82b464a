"""malloc, realloc and free on the heap and in mappings, from several threads; the contents stay
right.
"""

import ctypes
import random
import threading

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.realloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.sbrk.restype = ctypes.c_void_p
libc.sbrk.argtypes = [ctypes.c_ssize_t]
libc.malloc_trim.argtypes = [ctypes.c_size_t]
SIZES = (24, 130, 1000, 4100, 60_000, 140_000, 3_000_000)
failures = []


def churn(seed):
    dice = random.Random(seed)
    held = {}
    for turn in range(3000):
        slot = dice.randrange(60)
        if slot in held:
            address, size, value = held.pop(slot)
            if ctypes.string_at(address, min(size, 64)) != bytes([value]) * min(size, 64):
                failures.append((seed, turn))
            if dice.random() < 0.5:
                libc.free(address)
                continue
            size = dice.choice(SIZES)
            address = libc.realloc(address, size)
        else:
            size = dice.choice(SIZES)
            address = libc.malloc(size)
        value = dice.randrange(256)
        ctypes.memset(address, value, size if size < 200_000 else 64)
        held[slot] = (address, size, value)
    for address, _, _ in held.values():
        libc.free(address)


churn(0)
threads = [threading.Thread(target=churn, args=(n,)) for n in range(1, 5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures

before = libc.sbrk(0)
assert libc.sbrk(1 << 20) == before, "the break does not grow"
ctypes.memset(before, 0xA5, 1 << 20)
assert ctypes.string_at(before, 1 << 20) == b"\xa5" * (1 << 20)
libc.sbrk(-(1 << 20))
libc.malloc_trim(0)

objects = [bytearray(n % 5000) for n in range(40_000)]
text = ["%d" % n * 10 for n in range(40_000)]
assert sum(map(len, objects)) == sum(n % 5000 for n in range(40_000))
del objects
assert text[12_345] == "12345" * 10
print("held", len(text))
