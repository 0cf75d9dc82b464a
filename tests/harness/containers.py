"""Containers by podman and by runc, without a registry: the root file system is this machine's
`/usr`, the interpreter and Glowplug, mounted read-only, around a folder of the container's own.

Confined as a cluster confines them: the default filter of system calls, no capability, no new
privilege, a user other than root, and a share of a processor and of memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

USER = 1000
SERVED = "/run/service"
PROFILES = [
    Path(folder) / "seccomp.json" for folder in ("/etc/containers", "/usr/share/containers")
]
_TOP = ("bin", "lib", "lib64", "sbin")
_OWN = ("app", "image", "proc", "sys", "dev", "tmp", "etc", "run/service", "home/service")
_CACHES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/ssl")


@dataclass
class Root:
    """A root file system, to which a container that builds may write."""

    folder: Path
    mounts: dict[str, str]
    """What lies outside of it, by the place where containers see it; read-only."""
    env: dict[str, str] = field(default_factory=dict)
    share: float = 1.0
    megabytes: int = 1024
    served: Path | None = None
    """The folder that containers see at `/run/service`, and may write to."""

    def binds(self) -> list[tuple[str, str, str]]:
        """Source, destination and mode of each mount."""
        readable = [(source, place, "ro") for place, source in self.mounts.items()]
        return [*readable, *([(str(self.served), SERVED, "rw")] if self.served else [])]


def make_root(folder: Path, interpreter: Sequence[Path], tree: Path) -> Root:
    """A root file system with the folders of `interpreter` and, at `/opt/glowplug`, the build in
    `tree`.
    """
    for name in _OWN:
        (folder / name).mkdir(parents=True)
    for name in _TOP:
        if Path("/", name).is_symlink():
            (folder / name).symlink_to(f"usr/{name}")
    (folder / "etc" / "passwd").write_text(
        f"root:x:0:0::/:/bin/sh\nservice:x:{USER}:{USER}::/home/service:/bin/sh\n"
    )
    for name in ("app", "image", "home/service"):
        _give_to_user(folder / name)
    (folder / "tmp").chmod(0o1777)
    mounts = {"/usr": "/usr", "/opt/glowplug": str(tree)}
    mounts |= {path: path for path in _CACHES if Path(path).exists()}
    mounts |= {str(path): str(path) for path in interpreter if not path.is_relative_to("/usr")}
    for place, source in mounts.items():
        target = folder / place[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if Path(source).is_dir() else target.touch()
    env = {"PATH": f"{interpreter[0]}/bin:/opt/glowplug/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return Root(folder, mounts, env | {"HOME": "/home/service"})


def _give_to_user(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, USER, USER)


class Podman:
    """Containers by `podman run`; with `layered`, its root is a layer below an empty one."""

    def __init__(self, runtime: str, layered: bool = False):
        self.runtime, self.layered = runtime, layered

    def command(self, root: Root, words: Sequence[str], *, writes: bool = False) -> list[str]:
        """What runs `words` in a container, in the foreground, as its process 1."""
        options = ["--rm", "--network=none", "--pull=never", "--log-driver=none"]
        # podman's own limits may be above what whoever runs it may set.
        options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        options += [f"--runtime={self.runtime}", f"--user={USER}:{USER}", "--cap-drop=all"]
        options += ["--security-opt=no-new-privileges", "--workdir=/app", "--tmpfs=/tmp"]
        options += [f"--cpus={root.share}", f"--memory={root.megabytes}m"]
        options += [f"--env={name}={value}" for name, value in root.env.items()]
        options += [f"--volume={source}:{to}:{mode}" for source, to, mode in root.binds()]
        options += [] if writes else ["--read-only"]
        layer = ":O" if self.layered and not writes else ""
        return ["podman", "run", *options, "--rootfs", f"{root.folder}{layer}", *words]


class Runc:
    """Containers by `runc run`, each from a bundle of its own."""

    def __init__(self, bundles: Path):
        self.bundles = bundles

    def command(self, root: Root, words: Sequence[str], *, writes: bool = False) -> list[str]:
        """What runs `words` in a container, in the foreground, as its process 1."""
        name = f"glowplug-{uuid.uuid4().hex[:12]}"
        bundle = self.bundles / name
        bundle.mkdir(parents=True)
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        file = bundle / "config.json"
        spec = json.loads(file.read_text())
        process = spec["process"]
        process |= {"terminal": False, "args": list(words), "cwd": "/app", "noNewPrivileges": True}
        process |= {"user": {"uid": USER, "gid": USER}, "capabilities": {}}
        process["env"] = [f"{name}={value}" for name, value in root.env.items()]
        process.pop("rlimits", None)
        spec["root"] = {"path": str(root.folder), "readonly": not writes}
        spec["mounts"] += [
            {"destination": to, "source": source, "type": "bind", "options": ["rbind", mode]}
            for source, to, mode in root.binds()
        ]
        spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        spec["linux"] |= {
            "cgroupsPath": f"/{name}",
            "seccomp": default_filter(),
            "resources": {
                "cpu": {"quota": int(root.share * 100_000), "period": 100_000},
                "memory": {"limit": root.megabytes << 20},
            },
        }
        file.write_text(json.dumps(spec))
        return ["runc", "run", "--bundle", str(bundle), name]


def default_filter() -> dict:
    """The default profile of podman and Docker, as the runtime takes it, for a container without
    capabilities.
    """
    found = next((path for path in PROFILES if path.exists()), None)
    if found is None:
        pytest.skip("needs containers' default filter: golang-github-containers-common on Debian")
    profile = json.loads(found.read_text())

    def holds(rule: dict) -> bool:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        here = "amd64" in includes.get("arches", ["amd64"])
        return here and not includes.get("caps") and "amd64" not in excludes.get("arches", [])

    kept = ("names", "action", "args", "errnoRet")
    rules = [
        {key: rule[key] for key in kept if rule.get(key) is not None}
        for rule in profile["syscalls"]
        if holds(rule)
    ]
    architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    told = {"defaultAction": profile["defaultAction"], "architectures": architectures}
    if profile.get("defaultErrnoRet") is not None:
        told["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return {**told, "syscalls": rules}


def engine(name: str, folder: Path) -> Podman | Runc:
    """A way to run containers, by its name; the test is skipped, with what is missing, where it
    cannot run any here.
    """
    runtimes = {"runc": ["runc"], "podman": ["podman"], "podman-layered": ["podman"]}
    for program in runtimes[name]:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: `apt install {program}` on Debian")
    if name == "runc":
        return Runc(folder)
    # crun first, as podman has it: but it knows no mixture of the two versions of cgroups.
    said = "podman has neither crun nor runc"
    for runtime in filter(shutil.which, ("crun", "runc")):
        found = Podman(runtime, layered=name == "podman-layered")
        said = obstacle(found, folder / runtime)
        if said is None:
            return found
    pytest.skip(f"podman cannot run a container here: {said}")


def obstacle(found: Podman | Runc, folder: Path) -> str | None:
    """Why a container cannot be run here."""
    root = make_root(folder, [Path("/usr")], Path("/usr/share"))
    command = found.command(root, ["/usr/bin/true"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return None if done.returncode == 0 else (done.stderr.strip() or "?").splitlines()[-1]
