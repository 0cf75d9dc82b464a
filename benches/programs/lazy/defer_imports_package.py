"""As eager.py, by the package defer-imports, for the imports of the tool itself.

Its hook is not asked for folders that the interpreter has looked into already, as it has into this
one to find defer-imports; so this folder is taken out of what is remembered. With `apply_all=True`,
or for the packages' own imports as well, the tool does not start: modules in C are hidden then, and
an import is put before `from __future__`.
"""

import sys
from pathlib import Path

import defer_imports

sys.path_importer_cache.pop(str(Path(__file__).parent), None)
defer_imports.install_import_hook(module_names=("eager",))

import eager  # noqa: E402

eager.main()
