# Every target sets up what it needs. `make` lists them.
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# Bytecode is written, whatever the caller's environment says: tests start hundreds of processes, and
# each would compile torch and pytest's rewritten tests anew. pip leaves it to the first import.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help venv lint format grammar test quick test-all slow-rest editors bench demo dist docs notebooks clean vscode

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(READY) ## the virtual environment, with the pinned requirements

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq python3-venv; } \
		|| { echo "$(PYTHON) lacks ensurepip: install the package python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (minutes, the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

lint: $(READY) ## linters, formatter, type checker, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(READY) ## format the code, mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

grammar: $(READY) ## the parse table, from grammar/net.lark
	$(BIN)/python -m addnn_spec.syntax.generate

test: $(READY) ## lint and the quick tests, side by side: mypy keeps one core busy
	@$(MAKE) --no-print-directory -j 2 lint quick

quick: $(READY) # the quick tests alone
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

PARTS := ops property zoo package rest
PART ?= $(PARTS)
REST := $(filter-out $(PARTS:%=tests/%), $(patsubst %/,%,$(sort $(dir $(wildcard tests/*/__init__.py)))))

test-all: test $(PART:%=slow-%) ## the quick tests, then the slow ones: all, or PART=zoo

slow-rest: $(READY) editors
	$(BIN)/python -m pytest -q -n 2 -m slow $(REST) tests/test_*.py

editors: # what the walks through real editors need; without it they are skipped
	@for program in nvim:neovim chromium:chromium npm:npm; do \
		command -v $${program%%:*} >/dev/null || apt-get install -y -qq $${program##*:} \
		|| echo "$${program##*:} is not there: its tests are skipped" >&2; done

slow-%: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m slow tests/$*

bench: $(READY) ## measure, and print the figures
	$(BIN)/python -m tests.benchmarks.bench_compiler
	$(BIN)/python -m tests.benchmarks.bench_emission
	$(BIN)/python -m tests.benchmarks.bench_gpu
	$(BIN)/python -m tests.benchmarks.bench_indices
	$(BIN)/python -m tests.benchmarks.bench_peers
	$(BIN)/python -m tests.benchmarks.bench_probes
	$(BIN)/python -m tests.benchmarks.bench_sequences

demo: $(READY) ## check, summarise, draw, compile and train a small network
	$(BIN)/addnn demo --force

dist: $(READY) ## build the wheel and the sdist, and try both in environments of their own
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/python -m pytest -q tests/package

docs: $(READY) ## write the generated pages of docs/ anew
	$(BIN)/python -m addnn_spec.backends.reference docs
	rm -rf docs/drawings
	$(BIN)/python -m addnn_spec.cli.zoo_page docs
	$(BIN)/python -m addnn_spec.cli.readme_picture docs

notebooks: $(READY) ## run the notebooks of docs/ anew, with their outputs
	$(BIN)/python -m tests.docs.notebooks

vscode: ## the extension of VS Code, editors/vscode/addnn.vsix (needs npm)
	cd editors/vscode && npm install --no-package-lock --no-audit --no-fund --silent
	cd editors/vscode && npm test --silent && npm run package --silent

clean: ## remove caches and the virtual environment
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist editors/vscode/node_modules editors/vscode/dist
