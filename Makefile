# The front door: `make demo` shows the main job, `make test` runs every gate and test.
# Needs python3 (>= 3.11, with venv) and make; everything else is installed into .venv.

VENV       := .venv
BENCH_VENV := .venv-bench
BIN        := $(VENV)/bin
JOBS       ?= 2
SEED       ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

# What knows stores; the other folders open none.
ON_POSTGRES ?= $(addprefix tests/,agent cli compile conformance demo formats history importers objects operations \
  reliability search sessions storage)

# The first interpreter that runs and is new enough; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,\
  $(shell $(python) -c 'import sys; print("$(python)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-postgres quick lint bench torture docs surface format clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.installed ## Install, then commit and compile a real conversation
	@$(BIN)/tract demo

test: $(VENV)/.installed-dev lint ## Run every gate and test
	$(BIN)/python -m pytest -n $(JOBS) -q --cov --cov-report=term

quick: $(VENV)/.installed-dev lint ## Run the gates and the fast tests (< 3 min)
	$(BIN)/python -m pytest -n $(JOBS) -q -m "not slow and not torture"

lint: $(VENV)/.installed-dev ## Run the gates that run no code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs cookbook *.md
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test-postgres: $(VENV)/.installed-dev ## Run every test that is not about files on PostgreSQL (long)
	$(BIN)/python -m pytest -n $(JOBS) -q --store=postgresql --timeout=600 $(ON_POSTGRES)

torture: $(VENV)/.installed-dev ## Run the large numbers of docs/guarantees.md (SEED=... repeats a run)
	@echo "torture seed: $(SEED)   (repeat with: make torture SEED=$(SEED))"
	TRACT_TORTURE_SEED=$(SEED) $(BIN)/python -m pytest -n $(JOBS) -m "torture or property" --timeout=0 \
	  --hypothesis-profile=torture --hypothesis-seed=$(SEED)

docs: $(VENV)/.installed-dev ## Run the examples of the README, the docs and the cookbook
	$(BIN)/python -m pytest -q tests/docs

surface: $(VENV)/.installed-dev ## Record the public names and signatures
	$(BIN)/python -m tests.gates.surface > tests/gates/.public_surface.new
	mv tests/gates/.public_surface.new tests/gates/public_surface.txt

format: $(VENV)/.installed-dev ## Format the source and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_VENV)/.installed ## Measure against peers, in their own environment
	$(BENCH_VENV)/bin/python benchmarks/run.py

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(BENCH_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv that works is kept; one of a moved clone or of a removed Python is made anew (its pip no longer starts).
define make_venv
	@if [ -z "$(PYTHON)" ]; then \
	  echo "tract needs Python 3.11 or newer and found none. On Debian: apt install python3 python3-venv" >&2; exit 1; fi
	@if ! $(1)/bin/pip --version >/dev/null 2>&1; then \
	  echo "$(PYTHON) -m venv $(1)"; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "$(PYTHON) cannot make environments. On Debian: apt install python3-venv" >&2; exit 1; }; \
	  $(PYTHON) -m venv --clear $(1); fi
endef

$(VENV)/.installed: pyproject.toml
	$(call make_venv,$(VENV))
	$(BIN)/pip install -q -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(call make_venv,$(VENV))
	$(BIN)/pip install -q -e '.[dev]'
	@touch $(VENV)/.installed $@

$(BENCH_VENV)/.installed: pyproject.toml $(wildcard benchmarks/requirements.txt)
	$(call make_venv,$(BENCH_VENV))
	$(BENCH_VENV)/bin/pip install -q -e . $(addprefix -r ,$(wildcard benchmarks/requirements.txt))
	@touch $@
