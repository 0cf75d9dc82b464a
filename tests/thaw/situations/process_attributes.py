"""Everything that the kernel tells a process about itself and that a program may depend on."""

import ctypes
import json
import os
import resource
import signal
import stat
import sys
import threading

assert os.getpid() == threading.get_native_id()
with open("/proc/self/status") as status:
    fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
for name in (
    "Name",
    "Umask",
    "State",
    "Uid",
    "Gid",
    "Groups",
    "Threads",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "ShdPnd",
    "SigPnd",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed",
    "TracerPid",
    "CoreDumping",
    "THP_enabled",
):
    print(name, fields.get(name))
assert (
    int(fields["PPid"]) == os.getppid() and int(fields["Pid"]) == int(fields["Tgid"]) == os.getpid()
)
for name in (
    "cmdline",
    "comm",
    "oom_score_adj",
    "personality",
    "timerslack_ns",
    "cgroup",
    "loginuid",
    "limits",
    "coredump_filter",
):
    try:
        with open(f"/proc/self/{name}", "rb") as file:
            print(name, file.read())
    except OSError as error:
        print(name, error.strerror)
with open("/proc/self/environ", "rb") as file:
    given = [entry for entry in file.read().split(b"\0") if entry]
assert sorted(given) == sorted(name + b"=" + value for name, value in os.environb.items()), given
with open("/proc/self/stat") as file:
    numbers = file.read().rsplit(")", 1)[1].split()
print("nice", numbers[16], "threads", numbers[17], "policy", numbers[38])
descriptors = {}
for entry in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        info = os.fstat(entry)
    except OSError:
        continue  # the listing itself
    descriptors[entry] = stat.filemode(info.st_mode)[0], os.get_inheritable(entry)
print("descriptors", descriptors)
print(
    "session",
    os.getsid(0) == os.getpid(),
    os.getpgid(0) == os.getpid(),
    os.getsid(0) == os.getsid(os.getppid()),
)
print(
    "umask",
    oct(os.umask(0)),
    os.getpriority(os.PRIO_PROCESS, 0),
    sorted(os.sched_getaffinity(0)),
    os.sched_getscheduler(0),
)
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        print(name, resource.getrlimit(getattr(resource, name)))
libc = ctypes.CDLL(None)
for name, option in (
    ("dumpable", 3),
    ("keepcaps", 7),
    ("timing", 13),
    ("securebits", 27),
    ("subreaper", 37),
    ("thp", 42),
):
    value = ctypes.c_int()
    print(
        name, libc.prctl(option, ctypes.byref(value) if option == 37 else 0, 0, 0, 0), value.value
    )
death = ctypes.c_int()
libc.prctl(2, ctypes.byref(death))
print("parent death signal", death.value)
name = ctypes.create_string_buffer(16)
libc.prctl(16, name)
print("thread name", name.value)
print("children", resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)
print("alarm", signal.getitimer(signal.ITIMER_REAL)[0] > 900, signal.alarm(0) > 900)
print(json.dumps(sys.argv[1:]))
