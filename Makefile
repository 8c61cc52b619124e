# Each goal sets up what it needs first: .venv, once, with the versions of constraints.txt.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench fuzz lint clean

VENV := .venv
READY := $(VENV)/ready
# Set PYTHON=/path/to/python to use another one.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# In the order in which they run; each writes benchmarks/results/<name>.json.
BENCHMARKS := clip_bank clip_reading metrics decoding training training_step temporal_losses label_efficiency methods recognition jhmdb

help:
	@echo 'make demo    the whole product on toy footage, in minutes on a CPU; writes runs/demo'
	@echo 'make test    all tests'
	@echo 'make bench   all benchmarks (hours on a CPU); one of them: make bench BENCHMARKS=training_step'
	@echo 'make fuzz    every data set reader against damaged files, a minute each'
	@echo 'make lint    ruff and its format, unchanged files'
	@echo 'make clean   remove .venv and what tools left behind; runs/ stays'

demo: $(READY)
	$(VENV)/bin/vadsdk demo --out runs/demo

test: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n auto --maxprocesses 8

bench: $(READY)
	@set -e; for name in $(BENCHMARKS); do \
		echo "== benchmarks/$$name.py"; $(VENV)/bin/python benchmarks/$$name.py; done

fuzz: $(READY)
	VADSDK_FUZZ_SECONDS=60 $(VENV)/bin/pytest tests/data/test_fuzz_readers.py

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

$(READY): pyproject.toml constraints.txt
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'vadsdk needs Python 3.11 or newer; this is not one, or there is none: "$(PYTHON)"' >&2; \
		echo 'Install one, or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Setting up $(VENV) with $(PYTHON) (once; some minutes for the downloads)'
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check \
		--constraint constraints.txt --editable '.[cpu,train,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find vadsdk export serving tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
