"""`glowplug freeze --cpu`: what an image for a lesser CPU has chosen, and where it is thawed."""

from __future__ import annotations

import json
import shutil
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import emulated, images, sandbox
from harness.clock import settle
from harness.environments import in_environment
from harness.running import Conditions

# From the least to the highest.
LEVELS = ("baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4")
ARCH_PRCTL, ARCH_SET_CPUID, ENODEV = 158, 0x1012, 19

# Bits of leaf 1 (ecx) and leaf 7 (ebx) that only higher levels have.
SSE42, AVX = 1 << 20, 1 << 28
AVX2, AVX512F = 1 << 5, 1 << 16

# Asks the CPU itself, as libraries in C do, in a mapping that is gone afterwards; at import and in
# a thread that the import starts.
ASKS = """\
import ctypes, mmap, threading

# push rbx; mov eax, edi; mov ecx, esi; mov r8, rdx; cpuid; the four registers to [r8]; pop rbx; ret
CODE = bytes.fromhex("5389f889f14989d00fa2418900418958044189480841 89500c5bc3")

def ask(leaf, subleaf=0):
    memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
    memory.write(CODE)
    start = ctypes.c_char.from_buffer(memory)
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)(
        ctypes.addressof(start))
    answer = (ctypes.c_uint * 4)()
    function(leaf, subleaf, ctypes.addressof(answer))
    del start, function
    memory.close()
    return list(answer)

FROZEN = {"1": ask(1), "7": ask(7), "vendor": ask(0)}
IN_THREAD = {}
thread = threading.Thread(target=lambda: IN_THREAD.update({"1": ask(1), "7": ask(7)}))
thread.start()
thread.join()
del thread
"""

# What the C library takes for usable, the code that it has chosen, and the environment.
REPORT = '''\
import ctypes, json, os, signal
import asks

# `struct cpuid_feature` of glibc 2.33 and newer: what the CPU said of a leaf, and what is usable.
class Leaf(ctypes.Structure):
    _fields_ = [("cpuid", ctypes.c_uint * 4), ("active", ctypes.c_uint * 4)]

libc = ctypes.CDLL(None)
leaf = libc.__x86_get_cpuid_feature_leaf
leaf.restype = ctypes.POINTER(Leaf)
active = [list(leaf(n).contents.active) for n in range(2)]
libm = ctypes.CDLL("libm.so.6")
STRINGS = """memchr memcmp memcpy memmove mempcpy memrchr memset rawmemchr stpcpy strcasecmp strcat
strchr strchrnul strcmp strcpy strcspn strlen strncasecmp strncat strncmp strncpy strnlen strpbrk
strrchr strspn strstr wcschr wcscmp wcslen wcsnlen wmemchr wmemcmp wmemset""".split()
NUMBERS = """atan atan2 ceil cos exp exp2f expf floor fma log logf nearbyint pow powf rint sin sinf
tan trunc""".split()
chosen = {}
for library, names in ((libc, STRINGS), (libm, NUMBERS)):
    for name in names:
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        chosen[name] = ctypes.string_at(address, 512).hex()
with open("/proc/self/environ", "rb") as file:
    environ = file.read().decode()
print(json.dumps({
    "frozen": asks.FROZEN,
    "thread": asks.IN_THREAD,
    "now": {"1": asks.ask(1), "7": asks.ask(7), "vendor": asks.ask(0)},
    "active": active,
    "chosen": chosen,
    "environ": environ + repr(os.environ) + repr(sorted(os.environb)),
    "segv": repr(signal.getsignal(signal.SIGSEGV)),
}))
'''


class Frozen:
    """An image of the modules for a level, and the program that tells what is in it."""

    def __init__(self, starter, level, preload="asks,ctypes,json", prepare=None, extra=()):
        self.starter, self.image = starter, starter.folder / "level.image"
        library = starter.folder / "library"
        library.mkdir(exist_ok=True)
        (library / "asks.py").write_text(ASKS)
        for name, text in extra:
            (library / name).write_text(text)
        settle()
        self.env = {"PYTHONPATH": str(library)}
        how = Conditions(env=self.env, prepare=prepare, timeout=300)
        words = ("freeze", "--python", starter.python, "--preload", preload, "-o", self.image)
        self.outcome = starter.execute(*words, "--cpu", level, conditions=how)
        assert self.outcome.status == 0, self.outcome.errors()

    def thaw(self, code, **env):
        """What a program prints that is started from the image, and from it alone."""
        how = Conditions(env={**self.env, **env})
        words = ("thaw", self.image, "--via", "thaw", "-c", code)
        outcome = self.starter.execute(*words, conditions=how)
        assert outcome.status == 0, outcome.errors()
        return outcome.text()

    def report(self, **env):
        """What `REPORT` tells."""
        return json.loads(self.thaw(REPORT, **env))


@pytest.fixture(scope="session")
def traps() -> bool:
    """Whether `cpuid` can be made to trap on this CPU."""
    code = (
        "import ctypes; libc = ctypes.CDLL(None); "
        f"raise SystemExit(libc.syscall({ARCH_PRCTL}, {ARCH_SET_CPUID}, 0) and 1)"
    )
    python = shutil.which("python3", path="/usr/bin") or "python3"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def highest() -> int:
    """The index of this CPU's own level, from what the kernel tells."""
    flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    needed = ({"sse4_2", "popcnt"}, {"avx2", "fma", "bmi2"}, {"avx512f", "avx512vl"})
    return sum(needs <= set(flags) for needs in needed)


def require_level(level):
    if LEVELS.index(level) > highest():
        pytest.skip(f"this CPU is of level {LEVELS[highest()]}")


def allowed(level):
    """Features of leaf 1 (ecx) and leaf 7 (ebx) that may be seen."""
    index = LEVELS.index(level)
    return (
        (SSE42 if index >= 1 else 0) | (AVX if index >= 2 else 0),
        (AVX2 if index >= 2 else 0) | (AVX512F if index >= 3 else 0),
    )


@pytest.mark.parametrize("level", ["baseline", "x86-64-v2", "x86-64-v3"])
def test_what_is_chosen_is_of_the_level(starter, traps, level):
    """The C library has chosen within the level, whoever asks the CPU while it is frozen sees the
    level, and the program itself sees the CPU that there is and nothing of the limits.
    """
    require_level(level)
    found = Frozen(starter, level).report()
    first, seventh = allowed(level)
    assert found["active"][0][2] & (SSE42 | AVX) == first, "what the C library takes for usable"
    assert found["active"][1][1] & (AVX2 | AVX512F) == seventh
    if traps:
        for asked in (found["frozen"], found["thread"]):
            assert asked["1"][2] & (SSE42 | AVX) == first
            assert asked["7"][1] & (AVX2 | AVX512F) == seventh
        assert found["frozen"]["vendor"] == found["now"]["vendor"]
    index = highest()
    assert bool(found["now"]["1"][2] & SSE42) == (index >= 1)
    assert bool(found["now"]["7"][1] & AVX512F) == (index >= 3)
    for name in ("GLIBC_TUNABLES", "BIND_NOW", "CORETYPE", "ia32cap", "MKL_", "DNN", "NPY_"):
        assert name not in found["environ"], name
    assert found["segv"] == "<Handlers.SIG_DFL: 0>"
    require_code_of(level, found["chosen"])


def require_code_of(level, chosen):
    """No function that the C library has chosen uses registers of a higher level."""
    if not shutil.which("objdump"):
        pytest.skip("objdump is not there (binutils): the chosen code is not looked at")
    beyond = {
        "baseline": ("%ymm", "%zmm", "vmov", "vp"),
        "x86-64-v2": ("%ymm", "%zmm", "vmov", "vp"),
        "x86-64-v3": ("%zmm", "{%k", "%ymm16", "%ymm17", "%xmm16"),
    }[level]
    for name, code in chosen.items():
        text = disassembled(bytes.fromhex(code))
        used = [line for line in text if any(word in line for word in beyond)]
        assert not used, (name, used)


def disassembled(code: bytes) -> list[str]:
    """The instructions of a function up to its first return."""
    command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        done = subprocess.run([*command, file.name], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "\t" in line]
    ends = [n for n, line in enumerate(lines) if "\tret" in line]
    return lines[: ends[0] + 1] if ends else lines


def test_without_a_level_this_cpu_counts(starter):
    """The other side: without limits the C library chooses what this CPU has."""
    found = Frozen(starter, "native").report()
    index = highest()
    assert bool(found["active"][1][1] & AVX2) == (index >= 2)
    assert bool(found["frozen"]["7"][1] & AVX512F) == (index >= 3)
    if index >= 2 and shutil.which("objdump"):
        lines = [disassembled(bytes.fromhex(code)) for code in found["chosen"].values()]
        assert any("%ymm" in line or "%zmm" in line for line in sum(lines, []))


def test_the_limits_are_no_inputs(starter):
    """What the freezer set for libraries is neither looked for at a thaw nor shown to the program,
    and what the user sets counts for the program.
    """
    reads = "import os\nFOUND = os.environ.get('OPENBLAS_CORETYPE')\n"
    frozen = Frozen(starter, "x86-64-v2", "reads", extra=[("reads.py", reads)])
    assert frozen.thaw("import reads; print(reads.FOUND)") == "Nehalem\n"
    names = images.read(frozen.image).meta["env_names"]
    assert "OPENBLAS_CORETYPE" not in names
    code = "import os; print(os.environ.get('OPENBLAS_CORETYPE'))"
    assert frozen.thaw(code) == "None\n"
    assert frozen.thaw(code, OPENBLAS_CORETYPE="Haswell") == "Haswell\n"


def needed_words(level: str) -> bytes:
    """The features of a level as they stand in the head of an image: x86-64-v2 by the psABI."""
    assert level == "x86-64-v2"
    ecx = sum(1 << bit for bit in (0, 9, 13, 19, 20, 23))
    edx = sum(1 << bit for bit in (0, 8, 15, 23, 24, 25, 26))
    return struct.pack("<10I", 0, ecx, edx, 0, 0, 0, 0, 1, 0, 0)


def test_a_cpu_that_lacks_something_starts_plainly(starter):
    """An image that needs a feature that no CPU has is not thawed."""
    frozen = Frozen(starter, "x86-64-v2")
    words = needed_words("x86-64-v2")
    assert images.read(frozen.image).meta["cpu"] == "x86-64-v2"
    assert images.read(frozen.image).flags == 2
    # Leaf 1, edx, bit 10 is reserved.
    (edx,) = struct.unpack_from("<I", words, 8)
    more = words[:8] + struct.pack("<I", edx | 1 << 10) + words[12:]
    images.replace_in_head(frozen.image, words, more)
    how = Conditions(env=frozen.env)
    command = ("thaw", frozen.image, "--explain", "-c", "print(1)")
    outcome = starter.execute(*command, conditions=how)
    assert (outcome.status, outcome.stdout) == (0, b"1\n")
    assert "this CPU lacks features of the level" in outcome.errors()
    forced = starter.execute("thaw", frozen.image, "--via", "thaw", "-c", "0", conditions=how)
    assert forced.status == 124, forced.errors()
    # And as it was, it is thawed again.
    images.replace_in_head(frozen.image, more, words)
    assert frozen.thaw("print(2)") == "2\n"


def claim(starter, image: Path, needed: bytes) -> None:
    """Has a native image claim that these features are enough for it."""
    data = image.read_bytes()
    (shown,) = json.loads(starter.execute("images", "show", "--json", image).text())
    here = b"".join(struct.pack("<I", int(word, 16)) for word in shown["needs"]["cpu"])
    flagged = data[:12] + struct.pack("<I", 2) + data[16 : images.HEAD_LEN]
    assert flagged.count(here) == 1
    images.rewrite(image, flagged.replace(here, needed) + data[images.HEAD_LEN :])


JOB = """\
import hashlib, numpy
numbers = numpy.arange(1e4).reshape(100, 100)
print((numbers @ numbers).sum(), numpy.sort(numbers[0])[:3], hashlib.sha256(b"x" * 999).hexdigest())
"""


@pytest.mark.parametrize(("level", "cpu"), [("x86-64-v2", "Nehalem"), ("x86-64-v3", "Haswell")])
def test_on_an_emulated_older_cpu(starter, level, cpu):
    """An image for a level does its work on a CPU that has no more, and is refused by one that has
    less. That the emulator minds is shown by an image without limits, which dies there.
    """
    require_level(level)
    qemu = emulated.emulator()
    if not qemu:
        pytest.skip(
            "qemu-x86_64 8 or newer is not there (Debian: qemu-user), nor GLOWPLUG_TEST_QEMU"
        )
    starter = in_environment(starter, "data")
    restorer = starter.glowplug.resolve().parent.parent / "lib" / "glowplug" / "glowplug-thaw"
    frozen = Frozen(starter, level, "numpy,hashlib")
    plain = starter.plain("-c", JOB)
    emulated.without_vdso(frozen.image)
    done = emulated.thaw(qemu, cpu, restorer, frozen.image, JOB)
    assert (done.status, done.stdout) == (0, plain.stdout), done.errors()
    older = emulated.thaw(qemu, "Conroe", restorer, frozen.image, JOB)
    assert older.status == 124
    assert "cannot be thawed here" in older.errors()
    if level == "x86-64-v2" and highest() > 1:
        native = Frozen(starter, "native", "numpy,hashlib")
        claim(starter, native.image, needed_words(level))
        emulated.without_vdso(native.image)
        assert emulated.thaw(qemu, cpu, restorer, native.image, JOB).status == -signal.SIGILL


def test_a_level_that_this_cpu_has_not(starter):
    outcome = starter.execute("freeze", "-o", "x", "--preload", "json", "--cpu", "x86-64-v5")
    assert outcome.status == 2
    assert "baseline, x86-64-v2, x86-64-v3, x86-64-v4 or native" in outcome.errors()


def no_trap() -> None:
    """As on a CPU that cannot let `cpuid` trap."""
    sandbox.refuse_system_call(ARCH_PRCTL, ENODEV, ARCH_SET_CPUID)


def test_where_cpuid_does_not_trap(starter):
    """The C library obeys all the same; packages that obey nobody are named."""
    frozen = Frozen(
        starter,
        "x86-64-v2",
        "asks,ctypes,json,polars",
        prepare=no_trap,
        extra=[("polars.py", "")],
    )
    found = frozen.report()
    assert found["active"][1][1] & AVX2 == 0
    # The first word but one holds the number of the processor that was asked.
    assert found["frozen"]["1"][2:] == found["now"]["1"][2:]
    assert "warning: polars asks the CPU itself" in frozen.outcome.errors()
    notes = images.read(frozen.image).meta["notes"]
    assert any("polars" in note and "x86-64-v2" in note for note in notes)


NUMBERS = """\
import ctypes, glob, json, os, numpy
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
(library,) = glob.glob(os.path.join(os.path.dirname(numpy.__file__), "../numpy.libs/*openblas*"))
blas = ctypes.CDLL(library)
core = blas.scipy_openblas_get_corename64_
core.restype = ctypes.c_char_p
numbers = numpy.arange(64.0).reshape(8, 8)
print(json.dumps({
    "dispatched": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "core": core().decode(),
    "product": float((numbers @ numbers).sum()),
}))
"""


@pytest.mark.parametrize("prepare", [None, no_trap], ids=["trapped", "by variables"])
@pytest.mark.parametrize(("level", "core"), [("x86-64-v2", "Nehalem"), ("x86-64-v3", "Haswell")])
def test_numpy_and_openblas(starter, level, core, prepare):
    """numpy's dispatch and OpenBLAS's kernels are of the level, by either means."""
    require_level(level)
    starter = in_environment(starter, "data")
    found = json.loads(Frozen(starter, level, "numpy,ctypes,json", prepare).thaw(NUMBERS))
    dispatched = set(found["dispatched"])
    assert bool({"AVX2", "X86_V3"} & dispatched) == (level == "x86-64-v3")
    assert not any(name.startswith("AVX512") or name == "X86_V4" for name in dispatched)
    assert found["core"].lower() == core.lower()
    # The sum of all elements of the square of the matrix of 0 to 63 by rows.
    assert found["product"] == sum(
        sum((8 * i + k) * (8 * k + j) for k in range(8)) for i in range(8) for j in range(8)
    )


SETTINGS = """\
import _ssl, ctypes
crypto = ctypes.CDLL("libcrypto.so.3")
crypto.OPENSSL_info.restype = ctypes.c_char_p
print(crypto.OPENSSL_info(1008).decode())
"""


@pytest.mark.parametrize("prepare", [None, no_trap], ids=["trapped", "by variables"])
def test_openssl(starter, prepare):
    """OpenSSL's own notion of the CPU has nothing of AVX and AES-NI on x86-64-v2."""
    has = starter.plain("-c", SETTINGS)
    if has.status != 0:
        pytest.skip("this Python has no OpenSSL 3")
    text = Frozen(starter, "x86-64-v2", "_ssl,ctypes", prepare).thaw(SETTINGS)
    words = text.split("OPENSSL_ia32cap=")[1].split()[0].split(":")
    first, second = (int(word, 16) for word in words[:2])
    ecx = first >> 32
    assert ecx & (AVX | 1 << 25) == 0
    assert second & (AVX2 | AVX512F) == 0


def test_faults_are_faults(starter):
    """While the CPU is hidden, what faults at import dies of it, and the freeze says so. What the
    imports have set for faults is in the image, and a thawed program that faults dies as well.
    """
    handles = "import faulthandler, os\nfaulthandler.enable(open(os.devnull, 'w'))\n"
    frozen = Frozen(starter, "baseline", "handles,ctypes", extra=[("handles.py", handles)])
    how = Conditions(env=frozen.env)
    code = "import ctypes, handles; handles.faulthandler.disable(); ctypes.string_at(0)"
    died = starter.execute("thaw", frozen.image, "--via", "thaw", "-c", code, conditions=how)
    assert died.status == -signal.SIGSEGV
    (starter.folder / "library" / "faults.py").write_text("import ctypes\nctypes.string_at(0)\n")
    settle()
    words = ("freeze", "--python", starter.python, "-o", "x.image", "--cpu", "baseline")
    outcome = starter.execute(*words, "--preload", "faults", conditions=how)
    assert outcome.status == 121, outcome
    assert outcome.errors().startswith("error: cannot freeze with"), outcome.errors()
