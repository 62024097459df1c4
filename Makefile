# Each target is the only command needed: it makes .venv and installs what it lacks first.
# PYTHON=/path/to/python3.11 chooses the interpreter, DEMO the system that is shown; PYTEST_ARGS and DEMO_ARGS are passed on. TEST_PROCESSES says how
# many processes share the tests (each starts the servers that its own need, half a GB at most); 0 runs them in one.

.PHONY: help demo test lint docs bench soak lock environment clean
.DEFAULT_GOAL := help

BIN := .venv/bin
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
DEMO ?= houseplants
DEMO_ARGS ?=

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile | awk -F': ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: environment  ## a whole system, live in the terminal: houseplants, or DEMO=ratings, socks, survey, carparks
	@$(BIN)/penstock demo $(DEMO) $(DEMO_ARGS)

test: environment  ## everything that must hold: lint, types, documentation, tests
	@sh scripts/debian-packages
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: environment  ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: environment  ## write the generated part of docs/ anew
	$(BIN)/python scripts/docs.py

bench: environment  ## the figures of the README, measured here beside DuckDB
	$(BIN)/python -m bench $(BENCH_ARGS)

soak: environment  ## the long tests: kill and restart for as long as SOAK_MINUTES says, a hundred thousand random statements
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

lock: environment  ## renew requirements.lock from pyproject.toml
	$(BIN)/python scripts/lock.py $(LOCK_ARGS)

environment:
	@PYTHON="$(PYTHON)" sh scripts/environment

clean:  ## remove what was installed and built
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
