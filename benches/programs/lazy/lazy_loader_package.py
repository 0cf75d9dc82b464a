"""As eager.py, by the package lazy-loader."""

import lazy_loader

celery = lazy_loader.load("celery", suppress_warning=True)
click = lazy_loader.load("click", suppress_warning=True)
flask = lazy_loader.load("flask", suppress_warning=True)
networkx = lazy_loader.load("networkx", suppress_warning=True)
openpyxl = lazy_loader.load("openpyxl", suppress_warning=True)
sympy = lazy_loader.load("sympy", suppress_warning=True)
if __name__ == "__main__":
    print(click.style("ready", bold=True))
