# Two commands do everything: `make up` runs Serai, `make test` passes the tests. Paths are relative, so a directory
# with spaces in its name is fine; the stamps make the second run need neither time nor network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UP_ARGS ?=
TEST_ARGS ?=
# As many workers as cores, at most 4: browser and database tests need memory, too. Two more where there is a Nomad,
# for whose agents tests mostly wait.
WORKERS ?= $(shell $(PYTHON) -c 'import os, shutil; print(min(4, (os.cpu_count() or 1) + 2 * bool(shutil.which("nomad"))))')

.PHONY: up test lint bench docs reference screenshots clean help

help:
	@echo "make up      run Serai here: server, gateway and the digits example (Ctrl-C stops; replicas go on)"
	@echo "make test    run all tests; make test TEST_ARGS='tests/domain -x' runs some"
	@echo "make lint    ruff, mypy and import contracts alone"
	@echo "make bench   measure speed and memory; tables here, JSON in benchmarks/results"
	@echo "make docs    build the documentation into docs/_build"

up: $(VENV)/.installed
	@$(BIN)/python -m serai up $(UP_ARGS)

# Tests start hundreds of processes: where an environment forbids bytecode, each would compile all of Serai again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.test-installed
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -rfEsR $(TEST_ARGS)

lint: $(VENV)/.test-installed
	@$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.test-installed
	@$(BIN)/python -m benchmarks

docs: $(VENV)/.test-installed
	@$(BIN)/python -m pip install --quiet '.[docs]' && $(BIN)/python -m sphinx -W -b html docs docs/_build

reference: $(VENV)/.test-installed
	@$(BIN)/python docs/generate.py

screenshots: $(VENV)/.test-installed
	@SERAI_SCREENSHOTS=1 $(BIN)/python -m pytest -n 0 tests/ui -q

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache docs/_build

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11, 4) else "Serai needs Python 3.11.4 or newer; this is %s. Try make PYTHON=python3.12" % sys.version.split()[0])'
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made setup.cfg
	@echo "installing Serai and what it needs"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[gpu]'
	@touch $@

$(VENV)/.test-installed: $(VENV)/.made setup.cfg
	@echo "installing Serai and what its tests need"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[test]'
	@touch $@ $(VENV)/.installed
