"""Debian sid's CPythons, made to run on this machine: `make pythons`.

A stable Debian has one Python. Newer ones come from sid: mmdebstrap unpacks them with what they
need, without running anything of it, and each is copied into a folder of its own together with its
libraries and its dynamic loader, since they need a newer C library than the machine has. That C
library is another thing that is tested by this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSIONS = ("3.14", "3.15")
MIRROR = "http://deb.debian.org/debian"

# What the copy loads by name alone, so that no file says it needs it.
_BY_NAME = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LOADER = "ld-linux-x86-64.so.2"


def folder() -> Path:
    """Where they are kept: `$GLOWPLUG_TEST_SID`, else a folder of the user's cache."""
    named = os.environ.get("GLOWPLUG_TEST_SID")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "glowplug-tests" / "pythons"


def pythons() -> list[Path]:
    """The interpreters that have been made."""
    return sorted(folder().glob("3.*/bin/python3"))


def missing(minor: tuple[int, int]) -> str:
    """Why there is no interpreter of this minor, in words for a skipped test."""
    version = "{}.{}".format(*minor)
    if version not in VERSIONS:
        return f"no CPython {version} on this machine; pyenv and uv have it"
    if tools := _missing_tools():
        return f"no CPython {version} on this machine, and no {tools} to get Debian sid's by"
    return f"no CPython {version} on this machine; `make pythons` gets Debian sid's"


def _missing_tools() -> str:
    """Those of the programs that are needed and not there."""
    tools = ("mmdebstrap", "patchelf")
    return " and ".join(tool for tool in tools if shutil.which(tool) is None)


def main() -> int:
    """Makes those that are not there yet; what stands in the way is said, and is no failure: the
    tests that need them are skipped then.
    """
    wanted = [version for version in VERSIONS if not (folder() / version).exists()]
    if not wanted:
        return 0
    if tools := _missing_tools():
        print(f"no {tools}: the tests of CPython {' and '.join(wanted)} will be skipped")
        return 0
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder(), prefix="root-") as made:
        root = Path(made) / "sid"
        try:
            _unpack(root, wanted)
            for version in wanted:
                _copy(root, version)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no CPython {' and '.join(wanted)} from Debian sid: {error}")
    return 0


def _unpack(root: Path, versions: list[str]) -> None:
    packages = [name for v in versions for name in (f"python{v}", f"python{v}-venv")]
    packages += ["libpython3.15-testsuite"]
    subprocess.run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=extract",
            # Signatures are checked; how old a mirror's lists are does not matter to tests.
            "--aptopt=Acquire::Check-Valid-Until false",
            "--architectures=amd64",
            f"--include={','.join(packages)}",
            "sid",
            root,
            MIRROR,
        ],
        check=True,
    )


def _in_root(root: Path, *words: str | Path) -> str:
    """Runs a program of the root by the root's own loader, on the machine's files."""
    loader = [root / _LIBRARIES / _LOADER, "--library-path", root / _LIBRARIES]
    return subprocess.run([*loader, *words], check=True, capture_output=True, text=True).stdout


def _copy(root: Path, version: str) -> None:
    """Copies one interpreter out of the root; by rename, so that it is there as a whole or not."""
    name = f"python{version}"
    made = Path(tempfile.mkdtemp(dir=folder(), prefix=f"{version}-"))
    library, own = made / "lib" / name, made / "lib" / "own"
    for path in (made / "bin", own):
        path.mkdir(parents=True)
    program = made / "bin" / name
    shutil.copy2(root / "usr/bin" / name, program)
    (made / "bin" / "python3").symlink_to(name)
    shutil.copytree(root / "usr/lib" / name, library, symlinks=True)
    customize = library / "sitecustomize.py"
    customize.unlink(missing_ok=True)
    wheels = made / "share" / "python-wheels"
    shutil.copytree(root / "usr/share/python-wheels", wheels)
    for path in sorted(_needed(root, version)):
        shutil.copy2(path, own / path.name)
    place = folder() / version
    # The machine's patchelf: sid's own breaks programs at a fixed address, such as these.
    loading = ["--set-interpreter", place / "lib/own" / _LOADER]
    loading += ["--force-rpath", "--set-rpath", place / "lib/own"]
    subprocess.run(["patchelf", *loading, program], check=True)
    for path in library.glob("_sysconfig*"):
        if path.is_file():
            text = path.read_text()
            wanted = text.replace("/usr/share/python-wheels", str(place / "share/python-wheels"))
            path.write_text(wanted)
    made.chmod(0o755)
    made.rename(place)
    try:
        subprocess.run([place / "bin" / name, "-c", "import ssl"], check=True)
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(place)
        raise


def _needed(root: Path, version: str) -> set[Path]:
    """The libraries that the interpreter and its extension modules need, and the loader."""
    libraries = root / _LIBRARIES
    modules = (root / "usr/lib" / f"python{version}").rglob("*.so")
    found = {libraries / _LOADER, *(libraries / name for name in _BY_NAME)}
    for file in (root / "usr/bin" / f"python{version}", *modules):
        for line in _in_root(root, "--list", file).splitlines():
            path = Path(line.partition("=>")[2].partition("(")[0].strip() or "/nowhere")
            if path.is_relative_to(root):
                found.add(libraries / path.name)
    return {path for path in found if path.exists()}


if __name__ == "__main__":
    sys.exit(main())
