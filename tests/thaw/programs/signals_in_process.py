"""Dispositions, masks, handlers, timers and waiting for signals."""

import faulthandler
import os
import select
import signal
import threading

for number in sorted(signal.valid_signals()):
    handler = signal.getsignal(number)
    name = getattr(handler, "__name__", None) or str(handler)
    if number not in range(32, 65):
        print(int(number), name)
print("blocked", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))

seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append((number, frame.f_code.co_name)))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
print(seen)

rung = []
signal.signal(signal.SIGALRM, lambda *_: rung.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.01)
while not rung:
    signal.pause()
print(rung)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
assert signal.SIGUSR2 in signal.sigpending()
print(signal.sigwait([signal.SIGUSR2]))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])

reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
thread.start()
select.select([reader], [], [])
thread.join()
print(os.read(reader, 1), signal.set_wakeup_fd(-1) == writer)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, signal.SIG_DFL)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
print("faulthandler", faulthandler.is_enabled())

# The stack for signal handlers and the writing to a broken pipe.
reader, writer = os.pipe()
os.close(reader)
try:
    os.write(writer, b"x")
except BrokenPipeError as error:
    print(error)
