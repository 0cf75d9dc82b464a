"""Importers that stay eager; generated from crates/glowplug/src/lazy/policy.toml."""

EAGER = (
    "=httpcore",
    "=hypothesis.strategies",
    "=jsonschema",
    "matplotlib",
    "pandas",
    "=PIL.FpxImagePlugin",
    "=PIL.MicImagePlugin",
    "_pytest",
    "=pyarrow.compute",
    "sqlalchemy",
    "=symtable",
    "mpmath",
    "sympy",
)
