# `make run` and `make test` are all a new user needs; both set up .venv first, once.
PYTHON ?= python3
BIN := .venv/bin
CALTECH := ../shared/data/caltech101

.PHONY: install run test slow check lint types fix bench bench-backup bench-weaviate bench-weaviate-million faults \
	lock dataset keys help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

install: .venv/installed  ## set up .venv

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: install  ## index ./dataset and keep it indexed; Ctrl-C stops
	$(BIN)/lookalike up

test: install  ## ARGS='-k words' picks tests
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)  # for two cores: much of a test is waiting

slow: install  ## the tests that take many seconds each
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile $(ARGS)

check: install lint types test  ## everything CI checks

lint: install
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check

types: install
	$(BIN)/python -m mypy

fix: install  ## let ruff tidy up
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

bench: install  ## speed and memory beside their baselines, from one run, into docs/performance.md
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check openvino onnxruntime onnx  # measured where they can be had
	$(BIN)/python -m bench.performance $(CALTECH) $(ARGS)

bench-backup: install  ## backup and restore of 100,000 rows, out of LanceDB and into Weaviate
	$(BIN)/python -m bench.backup --rows 100000 --weaviate

bench-weaviate: install  ## the Weaviate store beside the embedded one, 100,000 rows
	$(BIN)/python -m bench.weaviate --rows 100000

bench-weaviate-million: install  ## the same with 1,000,000 rows: an hour on two cores
	$(BIN)/python -m bench.weaviate --rows 1000000

faults: install  ## the long fault suite; it starts and kills servers
	$(BIN)/python -m pytest -m faults

lock: install  ## pin what is installed, but not what torch brings for one accelerator
	$(BIN)/python -m bench.lock > requirements.lock.new && mv requirements.lock.new requirements.lock

keys:  ## fill in the secrets of .env that are still empty
	$(PYTHON) -m cli.keys

dataset: install  ## draw the example pictures anew
	$(BIN)/python -m bench.draw_dataset dataset
