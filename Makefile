# The only command surface: CI and people call the same targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKDIR ?= work
ARGS ?=

help: ## Show the targets
	@grep -hE '^[a-zA-Z_%-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11"; exit 78; }
	$(PYTHON) -m venv $(VENV)

# A stamp per extra set, so that a changed pin installs again and nothing else does.
$(VENV)/.local: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.local

install: $(VENV)/.local ## Install what the demo needs into .venv

demo: $(VENV)/.local ## Run the whole loop on this machine: no GPU, cluster, key or network
	$(BIN)/ctp run --yes --workdir $(WORKDIR) $(ARGS)

test: $(VENV)/.dev ## Run every test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev ## Ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy steps

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

check: lint ## Everything that must be clean before a commit, but for the tests

bench: $(VENV)/.dev ## Every measurement of bench/; bench-NAME runs one
	$(BIN)/python -m bench.run

bench-%: $(VENV)/.dev
	$(BIN)/python -m bench.run $*

clean: ## Remove the virtual environment and the work folder
	rm -rf $(VENV) $(WORKDIR)

.PHONY: help install demo test lint format check bench clean
