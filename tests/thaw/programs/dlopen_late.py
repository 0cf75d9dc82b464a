"""Shared libraries and extension modules that are first loaded after the thaw."""

import ctypes
import importlib
import sys


def main():
    late = [
        "_bisect",
        "_csv",
        "_elementtree",
        "_lsprof",
        "_sqlite3",
        "_zoneinfo",
        "array",
        "mmap",
        "pyexpat",
        "readline",
        "zlib",
    ]
    early = [name for name in late if name in sys.modules and name not in sys.builtin_module_names]
    print("loaded before main began", early)
    assert len(early) < 4
    for name in late:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            print(name, error)
        else:
            print(name, module.__spec__.origin)
    libm = ctypes.CDLL("libm.so.6")
    libm.cos.restype = ctypes.c_double
    libm.cos.argtypes = [ctypes.c_double]
    print(libm.cos(0.5))
    libthread = ctypes.CDLL("libresolv.so.2")
    print(bool(libthread.__res_init or True))
    try:
        ctypes.CDLL("libdoesnotexist.so.9")
    except OSError as error:
        print(error)
    import decimal
    import xml.etree.ElementTree as tree

    print(decimal.Decimal(1) / 3, tree.fromstring("<a><b c='d'/></a>")[0].attrib)


if __name__ == "__main__":
    main()
