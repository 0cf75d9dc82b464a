"""As eager.py, by the package defer-imports, for all imports of all modules."""

import defer_imports

defer_imports.install_import_hook(apply_all=True)

import eager  # noqa: E402

eager.main()
