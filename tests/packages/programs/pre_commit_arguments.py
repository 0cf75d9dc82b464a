"""How long a command line pre-commit makes depends on the size of the environment."""

from pre_commit import xargs

print(xargs.xargs.__kwdefaults__["_max_length"], xargs._get_platform_max_length())
