# Every verb a person needs. `make` alone lists them.

PYTHON ?= python3
SEED ?= 1
PRODUCTS ?= 300
QUEUES ?= moto
SHOPS ?= workers/shops
PAGES ?=
PORT_BASE ?=

RUN := .venv/bin/python

# Compiled modules are kept: the program's imports take a third of the time with them.
export PYTHONDONTWRITEBYTECODE :=
LOCAL_FLAGS := --seed $(SEED) --products $(PRODUCTS) --queues $(QUEUES) \
	$(if $(PORT_BASE),--port-base $(PORT_BASE)) $(if $(PAGES),--pages $(PAGES))
PORT_FLAG := $(if $(PORT_BASE),--port-base $(PORT_BASE))

.DEFAULT_GOAL := help
.PHONY: help setup setup-python demo demo-keep down shell env test test-fast check-shops lint types format lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtual environment, Python packages and the Pulumi engine (every other verb does it)
	@$(PYTHON) tools/setup.py

setup-python:
	@$(PYTHON) tools/setup.py --python

demo: setup ## the whole chain on this machine: pulumi up, crawl every shop, report (SEED=1 PRODUCTS=300 QUEUES=moto|elasticmq)
	@$(RUN) -m local.demo $(LOCAL_FLAGS)

demo-keep: setup ## the same, and leave it running; `make down` ends it
	@$(RUN) -m local.demo --keep $(LOCAL_FLAGS)

down: setup-python ## end what `make demo-keep`, `make shell` or `make env` left running
	@$(RUN) -m local.stack down

shell: setup ## a shell in which `pulumi up -s local` works
	@$(RUN) -m local.stack up $(LOCAL_FLAGS)
	@$(RUN) -m local.stack shell $(PORT_FLAG)

env: setup ## the same environment as a file to source
	@$(RUN) -m local.stack up $(LOCAL_FLAGS)
	@$(RUN) -m local.stack env $(PORT_FLAG)

test: setup ## every test: unit, program, servers, stack, faults
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		tests/stack tests/faults tests/servers tests/program tests/unit

test-fast: setup-python ## unit and program tests: no server, no engine
	@$(RUN) -m pytest -n 2 tests/unit tests/program

check-shops: setup-python ## check the shop definitions (SHOPS=workers/shops)
	@cd workers && ../.venv/bin/python -m crawler check --shops $(abspath $(SHOPS))

lint: setup-python ## ruff: rules and format
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: setup-python ## basedpyright, strict
	@.venv/bin/basedpyright

format: setup-python ## format the code
	@.venv/bin/ruff check --fix-only -q . && .venv/bin/ruff format .

lock: setup-python ## compile the hashed locks anew from the requirements
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		requirements.in -o requirements.lock
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		-c requirements.lock workers/requirements.in -o workers/requirements.lock
	@grep '^uv==' requirements.lock | cut -d' ' -f1 | .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url \
		--universal --python-version 3.11 --no-header --no-annotate - -o tools/installer.lock

clean: ## delete what was built here (not the caches shared with other checkouts)
	rm -rf build .pytest_cache .ruff_cache
