# make demo, make test, make test-all, make lint: each builds the environment it needs in VENV where it is missing.
PYTHON ?= python3
VENV ?= .venv
MARK ?= not slow
TORCH ?= torch==2.13.0
PEERS ?= 'grad-cam==1.5.*' 'torchcam==0.5.*' ttach
PYTEST_OPTIONS ?= --numprocesses auto --maxprocesses 8 --dist loadfile

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-compile
PYTEST := $(VENV)/bin/python -m pytest $(PYTEST_OPTIONS)

# Only the modules that are imported are compiled to bytecode, and it is kept for the processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all lint clean
.NOTPARALLEL:
.DEFAULT_GOAL := demo

demo: $(VENV)/.with-core
	$(VENV)/bin/jaxcam explain --out out

test: $(VENV)/.with-test
	$(PYTEST) -m "$(MARK)"

# The slow tests compare with torchvision, timm and the extra `peers`, whose own requirements are there already, or are
# not needed by what is run of them.
test-all: MARK :=
test-all: $(VENV)/.with-torch
	$(PYTEST) -m "$(MARK)"

lint: $(VENV)/.with-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

$(VENV)/.with-torch: $(VENV)/.with-test
	$(PIP) --editable '.[hub]' $(TORCH)
	$(PIP) --no-deps torchvision timm $(PEERS)
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist out

$(VENV)/.with-core: EXTRAS :=
$(VENV)/.with-test: EXTRAS := [test]
$(VENV)/.with-dev: EXTRAS := [dev]
$(VENV)/.with-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "jaxcam needs Python 3.11 or newer, but '$(PYTHON)' is '$$($(PYTHON) --version 2>&1 | head -n 1)'." \
	           "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.$(EXTRAS)'
	@touch $@
