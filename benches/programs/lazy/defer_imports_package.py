"""As eager.py, by the package defer-imports, for its imports and those of what it imports.

With `apply_all=True`, for all imports of all modules, no program starts that has not loaded
tokenize: the package itself needs it, and it is deferred as well.
"""

import tokenize  # noqa: F401

import defer_imports

PACKAGES = ("eager", "celery", "click", "flask", "networkx", "openpyxl", "sympy")
defer_imports.install_import_hook(module_names=PACKAGES, recursive=True)

import eager  # noqa: E402

eager.main()
