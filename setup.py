"""One wheel for every CPython: the binary, its runtime and a thin package.

`cargo xtask build` is the only place that knows how the parts are built; this file puts its result
where installers expect it: the binary among the scripts, the runtime as data below the prefix.
"""

import re
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.errors import CompileError
from setuptools_rust import RustBin, build_rust

BUILD = Path("target", "wheel")


def workspace_version() -> str:
    """The version that all crates share."""
    manifest = Path("Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"', manifest, re.MULTILINE)
    if not found:
        raise SystemExit("error: Cargo.toml names no version in [workspace.package]")
    return found[1]


class BuildWithXtask(build_rust):
    """Lays out the installed tree and hands its parts to setuptools."""

    def run_for_extension(self, ext):
        tree = BUILD / "tree"
        xtask = subprocess.run([self.cargo, "xtask", "build", "--locked", "--out", tree])
        if xtask.returncode:
            raise CompileError("`cargo xtask build` failed; what it printed above says why")
        scripts = Path(self.get_finalized_command("install_scripts").build_dir)
        scripts.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / "bin" / ext.name, scripts)
        runtime = sorted(str(file) for file in (tree / "lib" / "glowplug").iterdir())
        self.distribution.data_files = [("lib/glowplug", runtime)]


class AnyPython(bdist_wheel):
    """The wheel holds an extension for each CPython minor and depends on none of them."""

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(
    version=workspace_version(),
    rust_extensions=[RustBin("glowplug", path="crates/glowplug/Cargo.toml", rust_version=">=1.85")],
    cmdclass={"build_rust": BuildWithXtask, "bdist_wheel": AnyPython},
    # setuptools would write to build/lib, which is where `cargo xtask build` puts the runtime.
    options={"build": {"build_base": str(BUILD)}},
)
