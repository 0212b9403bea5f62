# make run · make test · make dev · make lint · make bench · make starter · make clean
PYTHON ?= python3
WORKSPACE ?= workspace
BIN := .venv/bin
export UNIMOTION_WORKSPACE := $(WORKSPACE)
# Nothing here reports to anyone unless the user asks for it.
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true
export DAGSTER_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test dev lint bench starter starter-worth clean

run: .venv/ready .venv-dvc/ready
	$(BIN)/unimotion run

# Two processes, since most tests keep one core busy; the tests of a file share what is costly to make.
test: .venv/ready .venv-dvc/ready lint
	$(BIN)/pytest -n 2 --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dev: .venv/ready
	$(BIN)/python infra/dev.py

# All suites, or one: make bench ONLY=synthesis
bench: .venv/ready
	$(BIN)/python -m infra.bench $(ONLY)

# A round of the model that comes with the package, on one core behind other work: killed, it goes on where it was.
# Beside it, at any time, make starter-worth judges its last checkpoint and ships that.
STARTER := --params infra/starter.yaml --workspace build/starter --workers 1
starter: .venv/ready
	$(BIN)/unimotion stage train --with-earlier $(STARTER)

starter-worth: .venv/ready
	$(BIN)/unimotion checkpoint $(STARTER) --half --overwrite --out training/assets/starter

clean:
	rm -rf .venv .venv-dvc build workspace *.egg-info .mypy_cache .ruff_cache .pytest_cache

# The marker comes last: an installation that was interrupted is done again.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'Python 3.11 or newer is needed: make PYTHON=python3.11'"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --progress-bar off -c constraints.txt -e '.[dev]'
	touch $@

.venv-dvc/ready: constraints-dvc.txt
	$(PYTHON) -m venv .venv-dvc
	.venv-dvc/bin/pip install --quiet --progress-bar off -c constraints-dvc.txt dvc
	touch $@
