"""C calls back into Python, from this thread and another; errno is kept apart."""

import ctypes
import errno
import threading

libc = ctypes.CDLL(None, use_errno=True)
comparison = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
)
numbers = (ctypes.c_int * 8)(5, 3, 8, 1, 9, 2, 7, 4)
libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), comparison(lambda a, b: a[0] - b[0]))
print(list(numbers))

start = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
idents = []


@start
def in_another_thread(argument):
    idents.append(threading.get_ident())
    return argument + 1


pthread = ctypes.c_ulong()
result = ctypes.c_void_p()
assert libc.pthread_create(ctypes.byref(pthread), None, in_another_thread, ctypes.c_void_p(41)) == 0
assert libc.pthread_join(pthread, ctypes.byref(result)) == 0
print(result.value, idents[0] != threading.get_ident())

assert libc.close(-1) == -1
print(errno.errorcode[ctypes.get_errno()])
