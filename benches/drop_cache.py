"""Asks the kernel to forget the cached pages of files, so that the next start reads them from disk.

Takes files and folders; a page that is mapped by a running process stays.
"""

import os
import sys
from pathlib import Path


def forget(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


for argument in map(Path, sys.argv[1:]):
    for path in argument.rglob("*") if argument.is_dir() else [argument]:
        if path.is_file() and not path.is_symlink():
            forget(path)
