# Many Tasks, One Face. `make help` lists what there is; every target can be run again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The Python that the environment is made with: any from 3.11.5 to 3.14.
PYTHON ?= python3
VENV ?= .venv
PRESET ?= laptop
PROCESSES ?= 2
EXECUTOR ?= loky
CORPUS ?= all

BIN := $(VENV)/bin
PY := $(BIN)/python
ENV_READY := $(VENV)/.env-ready
BENCH_READY := $(VENV)/.bench-ready
HTML := _build/html
TIMINGS := .cache/timings
# Runs a command as one stage of `make test`: says what it does, and notes how long it took.
STAGE := tools/stage.sh $(TIMINGS)
# Two processes share two cores, so each stays on one thread.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Hundreds of short processes import torch and its like: what they compile is kept for the next.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env book pdf links test lint types unit nbval results smoke browser browser-ready lab run \
        sweep corpus ledger bench format clean clean-all

help: ## list the targets
	@echo "Many Tasks, One Face"
	@echo
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PRESET=smoke|laptop|gpu  sizes of corpus, networks and training (now: $(PRESET))"
	@echo "  CORPUS=pie|...|all       which rendered set, or all of them (now: $(CORPUS))"
	@echo "  PROCESSES=N              processes that render or train at once (now: $(PROCESSES))"
	@echo "  EXECUTOR=loky|dask|ADDR  where a sweep runs: here, or on a Dask cluster (now: $(EXECUTOR))"
	@echo "  PYTHON=python3.12        the Python that .venv is made with (now: $(PYTHON))"

env: $(ENV_READY) ## make .venv with the package and the pinned tools
	@echo "Environment ready: $(VENV) ($$($(PY) --version))"

$(ENV_READY): pyproject.toml constraints.txt
	@tools/make_env.sh "$(PYTHON)" "$(VENV)" dev
	@touch $@

$(BENCH_READY): $(ENV_READY)
	@tools/make_env.sh "$(PYTHON)" "$(VENV)" dev,bench
	@touch $@

book: env ## build the site from the committed outputs, and say where it lies
	@$(PY) tools/build_book.py

pdf: env browser-ready ## build the site and print it into one PDF
	@$(PY) tools/build_book.py
	@$(PY) tools/make_pdf.py

links: env ## follow every link within the built site, then ask the addresses outside (needs a network)
	@$(PY) tools/check_links.py
	@$(PY) tools/build_book.py --links

test: env ## all that CI runs: lint, types, tests, notebooks, smoke preset, book, browser
	@mkdir -p $(dir $(TIMINGS)) && : > $(TIMINGS)
	@$(MAKE) --no-print-directory lint types unit results nbval smoke browser
	@echo && echo "Seconds for each stage:" && cat $(TIMINGS)
	@echo "make test: everything passed"

lint: env
	@$(STAGE) "ruff: lint and format" $(BIN)/ruff check .
	@$(STAGE) "ruff: format" $(BIN)/ruff format --check .

types: env
	@$(STAGE) "mypy" $(BIN)/mypy

unit: env ## unit and property tests, with coverage of mtl_helpers
	@$(ONE_THREAD) $(STAGE) "unit and property tests" $(BIN)/pytest -n $(PROCESSES) \
	  --dist loadfile --ignore tests/browser --cov=mtl_helpers --cov-report=term \
	  --cov-fail-under=90

results: env ## check every stored run, and by four programs that the ledger follows from them
	@$(STAGE) "stored runs and ledger" $(PY) -m mtl_helpers check
	@$(STAGE) "the ledger, recomputed" $(PY) tools/recompute_ledger.py --compare book/claims.md
	@$(STAGE) "paper 2's ledger, recomputed" $(PY) tools/ledger_ming2021.py --compare book/claims.md
	@$(STAGE) "paper 3's ledger, recomputed" $(PY) tools/ledger_li2021.py --compare book/claims.md

nbval: env ## re-execute the notebooks and compare with the committed outputs, strictly
	@$(STAGE) "notebooks against their committed outputs" tools/nbval.sh $(BIN) $(PROCESSES)

smoke: env ## sweeps, ledger and notebooks from nothing at the smoke preset, in a temporary folder
	@$(STAGE) "smoke preset from nothing" $(PY) tools/smoke.py --processes $(PROCESSES)

browser: env browser-ready
	@$(STAGE) "book, warnings as errors" $(PY) tools/build_book.py
	@$(STAGE) "browser tests of the built book" $(BIN)/pytest tests/browser \
	  -n $(PROCESSES) --dist loadgroup

browser-ready: env
	@tools/ensure_chromium.sh $(BIN)

lab: env ## open the notebooks in JupyterLab
	@echo "Opening JupyterLab on notebooks/ (stop it with Ctrl-C)"
	@$(BIN)/jupyter lab notebooks

run: env ## re-execute the notebooks at PRESET and rewrite their outputs
	@echo "Executing the notebooks at preset $(PRESET); outputs are rewritten in place"
	@$(PY) tools/execute_notebooks.py --preset $(PRESET)

sweep: env ## run EXPERIMENT, or all, at PRESET; finished runs are kept (EXPERIMENT=help lists them)
	@$(PY) -m mtl_helpers sweep $(EXPERIMENT) \
	  --preset $(PRESET) --processes $(PROCESSES) --executor $(EXECUTOR)

corpus: env ## render CORPUS (pie, wild, caricature, attributes; all) of PRESET into the cache
	@$(PY) -m mtl_helpers corpus --preset $(PRESET) --corpus $(CORPUS)

ledger: env ## write book/claims.md from the stored results
	@$(PY) -m mtl_helpers ledger

bench: $(BENCH_READY) ## measure rendering and training beside their peers
	@for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script; done

format: env ## format and fix what ruff can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean: ## remove what was built (keeps .venv and the rendered corpora)
	rm -rf _build .cache .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* htmlcov

clean-all: clean ## remove .venv too
	rm -rf $(VENV) *.egg-info
