# Everything that a person or CI does here. What a target needs is installed by its first run.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python# or it would go into a venv that is activated
ENGINES := arq celery rq
QUALITY := office pymupdf prose npm
PROCESSES ?= 4# twice as many as the least machine has cores: many tests wait
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Where this is set, as many containers' images do, every process would compile anew all that it imports.
export PYTHONDONTWRITEBYTECODE :=

help: ## list what can be done
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: .venv/base ## make the command .venv/bin/paperlane, and nothing else
	@echo "Now: $(BIN)/paperlane --help"

serve: .venv/base ## run the service at http://127.0.0.1:8400 (ARGS="--port 9000 --data DIR")
	@exec $(BIN)/paperlane serve $(ARGS)

test: .venv/dev build/moto/made $(ENGINES:%=build/engine-%/made) ## run every test (TESTS="tests/ledger -k turns" for some, PROCESSES=1 for one after the other)
	@tools/test-needs
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(TESTS)

check: .venv/dev $(ENGINES:%=build/engine-%/made) ## format, lint, types, import rules, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@for engine in $(ENGINES); do $(BIN)/python tools/engine_types.py $$engine || exit 1; done
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest --quiet tests/docs

bench: .venv/dev build/peers-main/made build/peers-arq/made $(ENGINES:%=build/engine-%/made) ## run the benchmarks (ARGS="drain pickup --quick")
	@tools/bench-needs
	@$(BIN)/python -m benchmarks $(ARGS)

quality: .venv/dev $(QUALITY:%=build/quality-%/made) ## measure how good documents are read and judged (ARGS="defects --quick")
	@$(BIN)/python -m quality $(ARGS)

engines: .venv/dev build/moto/made $(ENGINES:%=build/engine-%/made) ## show what every engine promises, case by case, at length (ARGS="-k faults -n 2")
	@tools/test-needs
	@$(BIN)/python tools/engines.py $(ARGS)

$(ENGINES:%=engine-%): engine-%: build/engine-%/made ## (engine-arq, engine-celery, engine-rq) what a worker of it needs
	@echo "Now: build/$@/bin/paperlane worker --engine $*"

mutants: .venv/dev ## put faults into the ledger and show which test catches each (ARGS="-k fence")
	@$(BIN)/python tools/mutants.py $(ARGS)

soak: .venv/dev ## simulate and kill, an hour for each of four parts (ARGS="--seconds 900 --only simulation postgresql")
	@$(BIN)/python tools/soak.py $(ARGS)

format: .venv/dev ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .

lock: .venv/uv ## resolve the dependencies anew, with hashes
	@for set in base dev; do \
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	pyproject.toml $$([ $$set = dev ] && echo --group dev) -o requirements/$$set.txt; done
	@for engine in $(ENGINES); do \
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	pyproject.toml --extra $$engine --extra otel --extra s3 -o requirements/engine-$$engine.txt; done
	@for set in moto peers-main peers-arq quality-office quality-pymupdf quality-prose; do \
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	requirements/$$set.in -o requirements/$$set.txt; done

.venv/uv:
	@[ -n "$(PYTHON)" ] || { echo "Paperlane needs Python 3.11 or later; install it, or name it: make PYTHON=..." >&2; exit 1; }
	@echo "Installing what Paperlane needs into .venv" >&2
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/base: .venv/uv requirements/base.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements/base.txt
	@$(INSTALL) --no-deps -e .
	@touch $@

.venv/dev: .venv/base requirements/dev.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# An environment for each engine that others carry: ARQ and Celery want different versions of the same library.
build/engine-%/made: requirements/engine-%.txt .venv/uv pyproject.toml
	@echo "Installing what workers of $* need into build/engine-$*" >&2
	@rm -rf build/engine-$*
	@$(PYTHON) -m venv build/engine-$*
	@$(BIN)/uv pip install --quiet --python build/engine-$*/bin/python --require-hashes -r $<
	@$(BIN)/uv pip install --quiet --python build/engine-$*/bin/python --no-deps -e .
	@touch $@

# Without npm what it would bring is left out, and the page says so.
build/quality-npm/made: quality/peers/package.json
	@rm -rf build/quality-npm
	@mkdir -p build/quality-npm
	@cp $< build/quality-npm
	@if command -v npm >/dev/null; then \
	npm install --prefix build/quality-npm --no-package-lock --no-audit --no-fund --loglevel=error; \
	else echo "Peers that npm brings are not measured: npm is missing (on Debian and Ubuntu: apt install npm)" >&2; fi
	@touch $@

build/%/made: requirements/%.txt .venv/uv
	@rm -rf build/$*
	@$(PYTHON) -m venv build/$*
	@$(BIN)/uv pip install --quiet --python build/$*/bin/python --require-hashes -r $<
	@touch $@

.PHONY: help install serve test check bench quality engines $(ENGINES:%=engine-%) mutants soak format lock
