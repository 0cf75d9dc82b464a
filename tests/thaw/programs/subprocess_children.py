"""Children by subprocess, fork, posix_spawn and system; their environment, descriptors and
statuses.
"""

import os
import signal
import subprocess
import sys

print(subprocess.run(["cat"], input=b"through cat", capture_output=True, check=True).stdout)
print(subprocess.run("echo $0 $((6 * 7)); exit 5", shell=True, capture_output=True))
print(
    subprocess.check_output(
        [sys.executable, "-c", "import sys; print(sys.argv, sys.version_info[:2])", "a"]
    )
)

os.environ["SET_LATE"] = "yes"
assert subprocess.check_output(["printenv", "SET_LATE"]) == b"yes\n"
del os.environ["SET_LATE"]
assert subprocess.run(["printenv", "SET_LATE"], stdout=subprocess.DEVNULL).returncode == 1

reader, writer = os.pipe()
passed_on = [
    subprocess.run(["test", "-e", f"/proc/self/fd/{end}"], pass_fds=[writer]).returncode == 0
    for end in (writer, reader)
]
assert passed_on == [True, False], passed_on
os.close(reader)
os.close(writer)
assert (
    subprocess.run(["ls", "/proc/self/fd"], capture_output=True, close_fds=False).stdout
    == b"0\n1\n2\n3\n"
)

killed = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
killed.send_signal(signal.SIGTERM)
killed.communicate()
print("killed", killed.returncode)

sys.stdout.flush()
child = os.fork()
if child == 0:
    assert os.getppid() != 0
    print("in the child of a fork")
    sys.stdout.flush()
    os._exit(9)
print("forked", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
spawned = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], os.environ)
print("spawned", os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1]))
print("system", os.waitstatus_to_exitcode(os.system("exit 3")))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError as error:
    print(error)
handed_down = subprocess.check_output(
    ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], text=True
)
print(handed_down)
names = {line.split("=")[0] for line in subprocess.check_output(["env"], text=True).splitlines()}
own = {name for name in names if name.startswith("GLOWPLUG_")} - set(os.environ)
assert not own, own
print([name for name in sorted(names) if name.startswith("LD_")])
