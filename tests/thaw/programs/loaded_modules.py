"""The same modules are loaded, in `sys.modules` and as attributes of their packages."""

import email.message
import logging.handlers
import sys

print(sorted(sys.modules))
print(sorted(name for name in vars(sys.modules["email"]) if not name.startswith("_")))
for name, module in sorted(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        print(
            name,
            spec.origin,
            spec.cached,
            spec.has_location,
            type(spec.loader).__name__,
            spec.submodule_search_locations,
        )
assert email.message and logging.handlers
