"""Starts a kernel by its specification, works with it as a notebook does, and tells what it saw.

jupyter.py FOLDER PYTHON
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

PATIENCE = 60


def manager(folder: Path, python: str) -> KernelManager:
    """The manager of a kernel whose specification names `python`."""
    kernels = folder / "kernels"
    (kernels / "tested").mkdir(parents=True)
    argv = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": argv, "display_name": "tested", "language": "python"}
    (kernels / "tested" / "kernel.json").write_text(json.dumps(specification))
    found = KernelSpecManager(kernel_dirs=[str(kernels)], ensure_native_kernel=False)
    return KernelManager(kernel_name="tested", kernel_spec_manager=found)


def execute(client, code: str, when_it_prints=None) -> list:
    """Executes a cell; what it printed, raised and returned."""
    asked = client.execute(code)
    seen = []
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            seen.append([content["name"], content["text"]])
            if when_it_prints:
                when_it_prints()
        elif kind == "error":
            seen.append([content["ename"], content["evalue"]])
        elif kind == "execute_result":
            seen.append(["result", content["data"]["text/plain"]])
        elif kind == "status" and content["execution_state"] == "idle":
            client.get_shell_msg(timeout=PATIENCE)
            return seen


def main(folder: Path, python: str) -> None:
    kernel = manager(folder, python)
    kernel.start_kernel()
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    cells = {
        "streams": "import sys, os\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7",
        "process": "[sys.executable, sys.prefix, __name__, os.path.basename(sys.argv[0])]",
        "parent": f"os.getppid() == {os.getpid()}",
        "error": "1 / 0",
        "shell": "!echo from a shell",
        "child": "import subprocess\n"
        "subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.prefix)'])",
        "await": "import asyncio\nawait asyncio.sleep(0, 'awaited')",
    }
    seen = {name: execute(client, code) for name, code in cells.items()}
    busy = "import time\nprint('busy', flush=True)\ntime.sleep(60)"
    seen["interrupted"] = execute(client, busy, kernel.interrupt_kernel)
    seen["goes on"] = execute(client, "kept = 5\nkept")
    kernel.restart_kernel()
    client.wait_for_ready(timeout=PATIENCE)
    seen["restarted"] = execute(client, "'kept' in globals()")
    client.shutdown()
    try:
        kernel.provisioner.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    seen["has ended"] = not kernel.is_alive()
    client.stop_channels()
    kernel.cleanup_resources()
    print(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
