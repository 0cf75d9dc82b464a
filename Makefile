# The commands of the repository. Everything that is more than one line lives in crates/xtask.

PYTHON ?= python3
export PYTHON

TOOLS := target/tools/bin
# What a shell says to every Python (PYTHONPATH, PYTHONDONTWRITEBYTECODE …) must not reach what is tested.
WITHOUT_PYTHON_SETTINGS = env $$(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/-u \1/p')

COMPARISONS := $(addprefix tests/thaw/test_,$(addsuffix .py,\
  programs streams exits targets process signals terminal environment randomness site surroundings variables tools hooks))

.PHONY: build demo gate gate-soak judge packages serve test lint test-rust test-python pythons bench tools toolchain

build: toolchain
	cargo xtask build

demo: toolchain
	cargo xtask demo

# The lints beside the build: their target folders differ, and neither keeps two processors busy. Then everything on the tree that is
# shipped.
test:
	$(MAKE) --no-print-directory --jobs 2 lint build
	$(MAKE) --no-print-directory test-rust test-python gate

lint: tools
	cargo fmt --all --check
	cargo xtask clippy
	$(TOOLS)/ruff check .
	$(TOOLS)/ruff format --check .

test-rust: toolchain
	@if cargo nextest --version >/dev/null 2>&1; \
	then set -x; cargo nextest run --workspace --exclude glowplug-python; \
	else set -x; cargo test --workspace --exclude glowplug-python; fi

# Of the environments with packages, `data` alone is made and used; `make packages` runs what needs another.
# What fails where two tests share the machine is run once more by itself: only what fails then as well has failed.
test-python: build tools pythons
	GLOWPLUG_TEST_MAKE=data $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q tests -n $$(($$(nproc) + 1)) || \
	  GLOWPLUG_TEST_MAKE=data $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest tests --last-failed --last-failed-no-failures none

# Glowplug's own package and command, held to the budgets in pyproject.toml.
gate: build
	$(WITHOUT_PYTHON_SETTINGS) build/bin/glowplug gate

# Ten commits, fifty times each, beside a process that computes: half an hour on a machine that does nothing else. What came out is
# kept, and a soak goes on where it ended: remove the file to begin anew.
gate-soak: build tools
	GLOWPLUG_TEST_GATE_ROUNDS=50 GLOWPLUG_TEST_GATE_RESULTS=$(CURDIR)/benches/results/gate-soak.jsonl \
	  $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q tests/gate/test_commits.py

# All popular packages: gigabytes, and half an hour the first time.
packages: build tools
	GLOWPLUG_TEST_MAKE=all $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q tests -m packages -n logical

# The fuzz targets' sources; CPython's own tests and those of some packages, plainly and thawed: an hour. $GLOWPLUG_TEST_REPORT names a file for what was found.
judge: build tools
	cargo xtask clippy --fuzz
	GLOWPLUG_TEST_MAKE=suites $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q tests/judge tests/lazy -m judge -n logical

# The comparisons with plain Python by a fork server and by a pool, and many starts in a row: half an hour.
serve: build tools
	for way in fork pool; do \
	  $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q $(COMPARISONS) tests/server --way $$way -n logical || exit 1; done
	GLOWPLUG_TEST_STARTS=100000 GLOWPLUG_TEST_SOAK_RESULTS=$(CURDIR)/benches/results/serve-soak.jsonl \
	  $(WITHOUT_PYTHON_SETTINGS) $(TOOLS)/python -m pytest -q tests/server -m soak

# Debian sid's newer CPythons, for tests, where mmdebstrap and patchelf are installed.
pythons:
	$(PYTHON) tests/harness/sid.py

bench: build
	cargo xtask bench
	cargo xtask bench-table

tools: toolchain
	cargo xtask tools

toolchain:
	@command -v cargo >/dev/null || { \
	  echo 'error: cargo is not on PATH; get Rust from https://rustup.rs, then open a new shell' >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo 'error: there is no C linker (cc); on Debian: apt install gcc libc6-dev' >&2; exit 1; }
