# Every verb a person needs. `make` alone lists them.

PYTHON ?= python3
SEED ?= 1
PRODUCTS ?= 300
QUEUES ?= moto
SHOPS ?= workers/shops
PAGES ?=
PORT_BASE ?=
STACK ?= prod
BASE ?= main
PRIOR ?=
ACKNOWLEDGE ?=
LABELS ?=
FLAGS ?=
TO ?=
PORT ?= 8080
AGENTS ?= 2
DOCKER ?= auto

RUN := .venv/bin/python

# Compiled modules are kept: the program's imports take a third of the time with them.
export PYTHONDONTWRITEBYTECODE :=
# The engine that the set-up built, where no `pulumi` is on PATH.
ENGINE := PATH="$$PATH:$${XDG_CACHE_HOME:-$$HOME/.cache}/trawler/pulumi/v3.200.0/bin"
# A command for a stack: the one that `make demo-keep`, `shell` or `env` left running knows its own environment.
OPS := $(if $(filter local,$(STACK)),$(RUN) -m local.stack run -- $(RUN) -m ops,$(ENGINE) $(RUN) -m ops)
LOCAL_FLAGS := --seed $(SEED) --products $(PRODUCTS) --queues $(QUEUES) --containers $(DOCKER) \
	$(if $(PORT_BASE),--port-base $(PORT_BASE)) $(if $(PAGES),--pages $(PAGES))
PORT_FLAG := $(if $(PORT_BASE),--port-base $(PORT_BASE))

.DEFAULT_GOAL := help
.PHONY: help setup setup-python demo demo-keep down shell env test test-fast check-shops lint types format lock clean \
	preview preview-diff bench-preview bootstrap roll tunnel smoke docs deploy rollback releases image marathon bench-deploy \
	check-apps

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtual environment, Python packages and the Pulumi engine (every other verb does it)
	@$(PYTHON) tools/setup.py

setup-python:
	@$(PYTHON) tools/setup.py --python

demo: setup ## the whole chain on this machine: pulumi up, crawl every shop, report (SEED=1 QUEUES=moto|elasticmq DOCKER=auto|yes|no)
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

preview: setup ## what `up` would make of nothing, without an account (STACK=prod PRIOR=ref): build/preview/STACK.md
	@$(RUN) -m review preview --stack $(STACK) $(if $(PRIOR),--prior $(PRIOR)) $(foreach kind,$(ACKNOWLEDGE),--acknowledge $(kind))

preview-diff: setup ## what this tree changes of a revision (BASE=main STACK=prod ACKNOWLEDGE="kind …"); status 3: say yes first
	@$(RUN) -m review diff --base $(BASE) --stack $(STACK) $(foreach kind,$(ACKNOWLEDGE),--acknowledge $(kind)) \
		$(if $(LABELS),--labels-file $(LABELS))

bootstrap: setup ## once per account: state bucket and key, GitHub's OIDC provider, roles
	@$(ENGINE) $(RUN) -m bootstrap.run $(FLAGS)

deploy: setup ## this tree's code to a stack: release and apps only, no image build (STACK=prod)
	@$(OPS) deploy --stack $(STACK) $(FLAGS)

rollback: setup ## the earlier release again, or the one named (STACK=prod TO=digest)
	@$(OPS) rollback --stack $(STACK) $(if $(TO),--to $(TO)) $(FLAGS)

releases: setup ## what can be rolled back to (STACK=prod)
	@$(OPS) releases list --stack $(STACK) $(FLAGS)

image: setup-python ## the workers' image, built and pushed unless the registry has its tag (STACK=prod)
	@$(RUN) -m ops image --stack $(STACK) $(FLAGS)

roll: setup ## a new fleet beside the old one, which drains and goes (STACK=prod)
	@$(ENGINE) $(RUN) -m ops roll --stack $(STACK) $(FLAGS)

tunnel: setup-python ## forward Marathon to this machine through Session Manager (STACK=prod)
	@$(RUN) -m ops tunnel --stack $(STACK) $(FLAGS)

smoke: setup ## the first hour in a real account, step by step (STACK=dev)
	@$(ENGINE) $(RUN) -m ops smoke --stack $(STACK) $(FLAGS)

marathon: setup-python ## a Marathon with agents alone, for any client, until Ctrl-C (PORT=8080 AGENTS=2)
	@$(RUN) -m local.mesos serve --port $(PORT) --agents $(AGENTS) $(FLAGS)

bench-deploy: setup ## a source deploy beside an image deploy, on real Docker: build/bench/deploy.json
	@$(ENGINE) $(RUN) -m bench.deploy $(FLAGS)

bench-preview: setup ## how long a preview takes and where (STACK=prod): build/bench/preview.json
	@$(RUN) -m bench.preview --stack $(STACK)

test: setup ## every test: unit, program, servers, stack, faults
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		tests/stack tests/faults tests/servers tests/program tests/unit

test-fast: setup-python ## unit and program tests: no server, no engine
	@$(RUN) -m pytest -n 2 tests/unit tests/program

check-shops: setup-python ## check the shop definitions (SHOPS=workers/shops)
	@cd workers && ../.venv/bin/python -m crawler check --shops $(abspath $(SHOPS))

check-apps: setup-python ## lint marathon_apps/ as a preview does (STACK=prod)
	@$(RUN) -m infra.marathon.lint --stack $(STACK)

lint: setup-python ## ruff: rules and format; actionlint: the workflows
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@$(PYTHON) tools/actionlint/run.py

types: setup-python ## basedpyright, strict
	@.venv/bin/basedpyright

format: setup-python ## format the code
	@.venv/bin/ruff check --fix-only -q . && .venv/bin/ruff format .

docs: setup-python ## write the pages that are made from the code
	@$(RUN) -m infra.settings.table > docs/settings.md
	@$(RUN) -m policies.page
	@$(RUN) -m infra.marathon.lint.page

lock: setup-python ## compile the hashed locks anew from the requirements
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		requirements.in -o requirements.lock
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		-c requirements.lock workers/requirements.in -o workers/requirements.lock
	@grep '^uv==' requirements.lock | cut -d' ' -f1 | .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url \
		--universal --python-version 3.11 --no-header --no-annotate - -o tools/installer.lock

clean: ## delete what was built here (not the caches shared with other checkouts)
	rm -rf build .pytest_cache .ruff_cache
