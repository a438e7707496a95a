# `make` alone lists what there is. PIP_ARGS is handed to pip, for instance to choose PyTorch's CPU-only build.
PYTHON ?= python3
PIP_ARGS ?=
VENV ?= .venv
BIN = $(VENV)/bin
CONFIG ?= configs/digits-mlp.yaml

.DEFAULT_GOAL := help
.PHONY: help train test check clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

train: $(VENV)/.installed ## Make the environment, install, and train CONFIG (the digits MLP)
	$(BIN)/trainkit train $(CONFIG)

test: $(VENV)/.dev ## Make the environment and pass every test
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## Remove the environment and all caches; runs stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e .
	touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_ARGS) -e '.[dev]'
	touch $@
