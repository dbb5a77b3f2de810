# make run     simulate a federated run and evaluate it     RUN_CONFIG="key=value ..."  ARGS="--num-supernodes 8 ..."
# make run-mixed  the same with four hospitals of four sources: MIMIC-III, OMOP in Parquet, a FHIR export, a German CSV
# make run-vertical  two hospitals and a laboratory with other features of the same patients: a run, its evaluation
# make deploy-local   a SuperLink and four SuperNodes on this machine, a run, its evaluation   ARGS="--drill superlink"
# make test    ruff, mypy and pytest                        PYTEST_ARGS="-k ledger ..."
# make test-fast  the rooms that start no runtime and train no model, without their longest files: under a minute
# make test-deployment  a SuperLink and four SuperNodes through four kills -9, and two runs that end in the same bytes:
#              three minutes, beside make test
# make compare  the methods side by side: quality, leakage, bytes, seconds, epsilon     ARGS="--quick ..."
# make test-comparison  the quick comparison as a test: six to ten minutes, beside make test
# make test-real MODEL=FOLDER_OR_HUB_ID   a small run of a real model, end to end: two to five minutes, beside make test
# make docs    the documentation as a site, in site/: open site/index.html
# make lint    ruff, its format and mypy only
# make install what run needs, into .venv, as locked        TORCH="torch==2.13.0 --index-url ..." for a GPU build
# make lock    write requirements/ anew with the newest versions that pyproject.toml allows
# make test-latest  make test with those versions, in an environment of its own; reports what changed and what failed
# make clean   remove the environments and caches; runs/ stays
#
# Needs Python 3.11 or 3.12, git and make. PYTHON=... chooses the interpreter that .venv is made with.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.DEFAULT_GOAL := run

CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
CANDIDATES := $(or $(PYTHON),.venv/bin/python python3.11 python3.12 python3 python)
# The first candidate that is a supported Python; says what was found when there is none.
FIND_PYTHON := for python in $(CANDIDATES); do \
	"$$python" -c '$(CHECK)' >/dev/null 2>&1 && break; python=; done; \
	if [ -z "$$python" ]; then \
	echo "Python 3.11 or 3.12 is needed; none of these is one:" >&2; \
	for python in $(CANDIDATES); do \
	echo "  $$python: $$("$$python" --version 2>/dev/null || echo not found)" >&2; done; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; fi
INSTALL := $(FIND_PYTHON); "$$python" -m crossward.launcher.install --torch "$$TORCH"
# Three processes share the tests, see tests/conftest.py; PYTEST_ARGS="-n 0" keeps them in one, where a debugger works.
PYTEST := -n 3 --dist loadfile --no-loadscope-reorder

export RUN_CONFIG TORCH MODEL
# Spinning threads of OpenMP and OpenBLAS make small models many times slower when processes share cores.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 0
export OPENBLAS_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: run run-mixed run-vertical deploy-local compare test test-fast test-deployment test-comparison test-real test-latest docs lint install install-dev lock clean

run: install
	@.venv/bin/crossward run --run-config "$$RUN_CONFIG" $(ARGS)

FORMS := --form mimic-iii --form omop --form fhir --form csv
MIXED := .cache/mixed

run-mixed: install
	@test -d $(MIXED) || { rm -rf $(MIXED).draft && .venv/bin/crossward data make $(FORMS) --split --parquet \
	--out $(MIXED).draft && mv $(MIXED).draft $(MIXED); }
	@.venv/bin/crossward run --run-config "data.source=own data.path=$(MIXED) $$RUN_CONFIG" $(ARGS)

run-vertical: install
	@.venv/bin/crossward run --scenario vertical --run-config "$$RUN_CONFIG" $(ARGS)

# ARGS="--form mimic-iii --form omop --form fhir --form csv" deploys the hospitals of run-mixed
deploy-local: install
	@.venv/bin/crossward deploy local --run-config "$$RUN_CONFIG" $(ARGS)

compare: install
	@.venv/bin/crossward compare $(ARGS)

# Lint findings do not keep the tests from running; either makes this fail.
test: install-dev
	@code=0; $(MAKE) lint || code=$$?; \
	.venv/bin/python -m pytest $(PYTEST) $(PYTEST_ARGS) && exit $$code

FAST := $(addprefix tests/,data server_app strategies test_imports.py test_references.py) $(addprefix tests/crossward/,config \
	encryption ledger machine privacy protocol report simulation)

test-fast: install-dev
	@.venv/bin/python -m pytest $(PYTEST) --fast $(FAST) $(PYTEST_ARGS)

test-deployment: install-dev
	@.venv/bin/python -m pytest -n 0 -m deployment $(PYTEST_ARGS)

test-comparison: install-dev
	@.venv/bin/python -m pytest -n 0 -m comparison $(PYTEST_ARGS)

# MODEL: a Hugging Face folder or a hub id.
test-real: install-dev
	@test -n "$$MODEL" || { echo "name a model: make test-real MODEL=FOLDER, a Hugging Face folder of a causal language" \
	"model, or MODEL=HuggingFaceTB/SmolLM2-135M-Instruct where the network or the hub's cache has it" >&2; exit 2; }
	@CROSSWARD_TEST_MODEL="$$(test -d "$$MODEL" && cd -- "$$MODEL" && pwd || printf %s "$$MODEL")" \
	.venv/bin/python -m pytest -n 0 -m real tests/test_real_model.py $(PYTEST_ARGS)

test-latest:
	@$(FIND_PYTHON); "$$python" -m crossward.launcher.latest --torch "$$TORCH" -- $(PYTEST) $(PYTEST_ARGS)

lint: install-dev
	@.venv/bin/python -m ruff check . && .venv/bin/python -m ruff format --check -q . && .venv/bin/python -m mypy

# Its packages go into .venv once; afterwards it needs no network.
docs: install
	@cmp -s requirements/docs.txt .venv/docs.txt || { .venv/bin/python -m pip --disable-pip-version-check install -q \
	--no-deps --require-hashes -r requirements/docs.txt && cp requirements/docs.txt .venv/docs.txt; }
	@.venv/bin/python scripts/docs_reference.py && .venv/bin/python -m zensical build --clean --strict

install:
	@$(INSTALL)

install-dev:
	@$(INSTALL) --dev

lock:
	@$(FIND_PYTHON); "$$python" -m crossward.launcher.lock

clean:
	rm -rf .venv .venv-latest .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache site docs/reference
