"""As eager.py, by the package lazy_import."""

import lazy_import

celery = lazy_import.lazy_module("celery")
click = lazy_import.lazy_module("click")
flask = lazy_import.lazy_module("flask")
networkx = lazy_import.lazy_module("networkx")
openpyxl = lazy_import.lazy_module("openpyxl")
sympy = lazy_import.lazy_module("sympy")
if __name__ == "__main__":
    print(click.style("ready", bold=True))
