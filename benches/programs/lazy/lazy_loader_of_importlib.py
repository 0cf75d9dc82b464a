"""As eager.py, by importlib.util.LazyLoader as its documentation has it."""

import importlib.util
import sys


def lazy_import(name):
    spec = importlib.util.find_spec(name)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


celery = lazy_import("celery")
click = lazy_import("click")
flask = lazy_import("flask")
networkx = lazy_import("networkx")
openpyxl = lazy_import("openpyxl")
sympy = lazy_import("sympy")
if __name__ == "__main__":
    print(click.style("ready", bold=True))
