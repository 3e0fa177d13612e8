# Every target makes .venv when it is missing and does nothing to it when nothing changed.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help train browser test test-long check format tensorboard bench faults pictures clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Descent Lab needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

train: .venv/installed  ## train on a noisy line (any other run: .venv/bin/python -m src.train ...)
	$(BIN)/python -m src.train

# The report and TensorBoard are looked at in a browser; where none can be had, those tests say so and are skipped.
browser:
	@command -v chromium > /dev/null && command -v chromedriver > /dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium chromium-driver > /dev/null; } \
	|| echo "no chromium here, and no root with apt to install it: the tests in tests/browser are skipped"

# the coverage table comes once the tests are through, and pytest's last line once more below it
test: SHELL := bash -o pipefail
test: .venv/installed browser  ## run the tests and print coverage
	$(BIN)/python -m slipcover --branch --source src --skip-covered --out .coverage.txt -m pytest -n auto --dist worksteal | tee .coverage.log
	cat .coverage.txt && tail -n 1 .coverage.log

test-long: .venv/installed browser  ## run the tests with more random examples, and those that are left out of `make test`
	LONG_TESTS=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: .venv/installed  ## check format, lint and types
	$(BIN)/ruff format --check src tests .github
	$(BIN)/ruff check src tests .github
	$(BIN)/mypy

format: .venv/installed  ## format the code and fix what the linter can
	$(BIN)/ruff format src tests .github
	$(BIN)/ruff check --fix src tests .github

tensorboard: .venv/installed  ## open the curves of outputs/ in TensorBoard
	$(BIN)/tensorboard --logdir outputs

bench: .venv/installed  ## measure what it costs beside other ways: make bench, or make bench BENCH="lines networks --quick"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m tests.bench $(BENCH)

faults: .venv/installed  ## kill runs and sweeps, make their files fail, and hold what they end in against the straight ones
	$(BIN)/python -m tests.faults

pictures: .venv/installed  ## make the README's pictures anew
	$(BIN)/python .github/pictures.py

clean:  ## remove .venv and caches; outputs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage.* *.egg-info build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
