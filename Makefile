# Everything a newcomer needs: python3.11+ and make. See README.md.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench services services-stop fmt

help:  ## say what the commands are
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Agentmeter needs Python 3.11 or newer; set PYTHON=..."; exit 1)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: .venv/installed  ## run the main job on embedded servers; ONCE=1 exits when the last invoice is paid
	$(BIN)/python manage.py demo $(if $(ONCE),--once)

services: .venv/installed  ## start PostgreSQL and Redis under .local/ (or say that they run)
	$(BIN)/python manage.py services start

services-stop: .venv/installed  ## stop them
	$(BIN)/python manage.py services stop

check: .venv/installed-dev  ## lint, types, contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy .

fmt: .venv/installed-dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check  ## all tests, lint, types, contracts
	$(BIN)/python -m pytest -n auto --dist loadgroup

bench: .venv/installed-dev  ## measure, as ratios to an anchor of the same run
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.rating
	$(BIN)/python -m tests.bench.closing
