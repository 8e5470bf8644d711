# Two commands: `make demo` shows the main job on this machine, `make test` runs everything.
PYTHON ?= python3
BIN := .venv/bin
CODE := src tests $(wildcard demo bench docs/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test check bench docs clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.run ## show the main job: a private image deployed with a pull secret
	@$(BIN)/python -m demo

demo-stop: .venv/.run ## stop what `make demo` left running
	@$(BIN)/python -m demo stop

test: check ## set everything up and run all tests
	@$(BIN)/pytest

check: .venv/.test ## format, lint, types, layers
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

docs: .venv/.run ## generate the reference pages
	@$(BIN)/python docs/generate.py

bench: .venv/.run ## print the budgets of the design with today's figures
	@$(BIN)/python -m bench

clean: ## remove what the other targets made
	rm -rf .venv .demo build .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@echo "making the virtual environment"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Towline needs Python 3.11 or later"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python3-venv"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "install python3-venv first: sudo apt-get install python3-venv"; exit 1; fi; }
	@$(PYTHON) -m venv .venv

.venv/.run: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "installing the libraries"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -c 'import aiohttp, msgspec, starlette, editables'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/.test: requirements/test.txt .venv/.run
	@echo "installing what the tests need"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/test.txt
	@$(BIN)/python -c 'import pytest, schemathesis, rapyuta_io_sdk_v2'
	@touch $@
