# Every chore of the project. `make help` lists them; each sets up what it needs by itself.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE ?= $(HOME)/.cache/farebox-build
export FAREBOX_BUILD_CACHE := $(CACHE)
export GOCACHE := $(CACHE)/go-build
export GOPROXY := off
BIN := .venv/bin
RUN := $(BIN)/python -m
ARGS ?=
PROCESSES ?= 3
FIXTURES ?= ../shared/fixtures
VECTORS ?= $(FIXTURES)/billing_vectors.json
FUZZ_SECONDS ?= 60
ENGINE ?= $(shell command -v podman || echo docker)
PYTHON_IMAGE ?= 3.13
PYTHON_FILES := src tests tools examples
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help up install build container format lint typecheck imports words test test-long check bench replay vectors sdk-suites fuzz clean test-integrations \
	catalog docs dashboard dashboard-check lock stale pytest

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

up: .make/runtime .make/dashboard ## Start Farebox: proxy and dashboard (ARGS=--detach for the background)
	@$(BIN)/farebox up $(ARGS)

install: .make/dev .make/dashboard ## Set up everything a contributor needs in .venv
	@echo "Ready: $(BIN)/farebox --help"

build: .make/dev .make/dashboard ## Build the wheel into dist/
	@rm -rf dist && $(RUN) hatchling build -t wheel && ls -l dist

container: build ## Build the container image `farebox` (ENGINE=docker, PYTHON_IMAGE=3.13)
	$(ENGINE) build -t farebox --build-arg PYTHON=$(PYTHON_IMAGE) -f Containerfile .

format: .make/dev ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix --quiet $(PYTHON_FILES) || true
	@$(BIN)/ruff format $(PYTHON_FILES)
	@if [ -d dashboard/node_modules ]; then cd dashboard && npm run --silent format; fi

lint: .make/dev ## Lint and check the format
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/ruff format --check --quiet $(PYTHON_FILES)

typecheck: .make/dev ## Check the types (pyright, strict)
	@$(BIN)/pyright

imports: .make/dev ## Check that imports follow the arrows of ARCHITECTURE.md
	@$(BIN)/lint-imports --cache-dir .make/import-linter

words: .make/dev ## Check for words that are not used here, and say which to use
	@$(BIN)/python tools/check_words.py

dashboard: .make/dashboard ## Build the dashboard's assets

dashboard-check: .make/dashboard ## Lint, type-check and unit-test the dashboard
	@cd dashboard && npm run --silent check

stale: .make/dev ## Fail when a generated file that is committed is stale
	@$(BIN)/python tools/generate.py --check

check: lint typecheck imports words stale dashboard-check ## Format, lint, types, import arrows, words, generated files

test: ## All checks and all tests, end to end: what CI runs
	@$(MAKE) --no-print-directory --jobs 2 --output-sync check
	@$(MAKE) --no-print-directory pytest

pytest: .make/dev .make/dashboard .make/chromium .make/go .make/tmux
	@$(BIN)/pytest --assert plain --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder \
		--durations 40 --durations-min 5 $(ARGS) || { \
		echo "What failed, once more, for the values that were compared (it fails in any case):" >&2; \
		$(BIN)/pytest --last-failed --last-failed-no-failures none --maxfail 9 || true; exit 1; }

# Every file that has long rounds says so by reading one of these variables.
ROUNDS := FAREBOX_FAULT_ROUNDS=200 FAREBOX_KILLS=200 FAREBOX_KILL_ROUNDS=200 FAREBOX_POWER_ROUNDS=30 \
	FAREBOX_QUESTIONS=300 FAREBOX_LONG=1
LONG_TESTS = tests/faults tests/analytics $(filter-out tests/faults/% tests/analytics/%,$(shell \
	grep -rlE --include 'test_*.py' 'FAREBOX_(FAULT_ROUNDS|KILLS|KILL_ROUNDS|POWER_ROUNDS|QUESTIONS|LONG)' tests))

test-long: .make/dev .make/fuzzer ## Long rounds of kill -9, power cuts, random questions and fuzzing (an hour and more)
	@$(ROUNDS) $(BIN)/pytest --timeout 3600 $(LONG_TESTS) $(ARGS)
	@$(RUN) tools.fuzz --seconds $(FUZZ_SECONDS)

test-integrations: .make/dev ## All tests of the frameworks' integrations, each framework in an environment that has it
	@FAREBOX_INTEGRATIONS=1 $(BIN)/pytest tests/integrations $(ARGS)

bench: .make/dev .make/nginx .make/wrk ## Measure speed and size beside nginx (JSON=1 for one JSON object)
	@$(RUN) tools.bench $(if $(JSON),--json) $(ARGS)

replay: .make/dev ## Replay recordings through Farebox and compare (FIXTURES=DIR, JSON=1, ARGS="--via sdk")
	@$(BIN)/python tools/replay.py $(if $(JSON),--json) $(FIXTURES) $(ARGS)

vectors: .make/dev ## Run billing test vectors through the charge engine (VECTORS=FILE, JSON=1)
	@$(RUN) tools.vectors $(if $(JSON),--json) $(VECTORS)

sdk-suites: .make/dev ## Run the suites of openai-python and anthropic-sdk-python directly and through Farebox
	@$(BIN)/python tools/run_sdk_suites.py $(if $(JSON),--json) $(ARGS)

fuzz: .make/fuzzer ## Fuzz the framings and the extractor (FUZZ_SECONDS=60 per target)
	@$(RUN) tools.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

catalog: .make/dev ## Check the catalog and compile it into the package
	@$(BIN)/python tools/generate.py catalog

docs: .make/dev ## Regenerate the reference pages that are made from code
	@$(BIN)/python tools/generate.py

lock: ## Renew the locked dependencies (needs uv)
	$(LOCK) --upgrade --extra standard pyproject.toml -o requirements.lock
	$(LOCK) --upgrade pyproject.toml -c requirements.lock -o requirements-base.lock
	$(LOCK) --upgrade --group build -c requirements.lock -o requirements-build.lock
	$(LOCK) --upgrade --extra standard pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	$(LOCK) --upgrade --group fuzz -o requirements-fuzz.lock
	$(LOCK) --upgrade tests/integrations/environments/newest.in -o tests/integrations/environments/newest.lock
	$(LOCK) --upgrade tests/integrations/environments/openai-2.in -o tests/integrations/environments/openai-2.lock

clean: ## Remove everything that was built or cached in the clone, the virtual environment too
	@rm -rf .venv .make dist build .ruff_cache .pytest_cache .hypothesis dashboard/node_modules \
		src/farebox/server/web src/farebox/catalog/_compiled
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# What the targets need. A stamp in .make/ is older than what it was made from, or it is redone.

.make/runtime: requirements.lock requirements-build.lock pyproject.toml tools/setup_python.sh
	@tools/setup_python.sh runtime && mkdir -p .make && touch $@

.make/dev: .make/runtime requirements-dev.lock
	@tools/setup_python.sh dev && touch $@

.make/fuzzer: .make/dev requirements-fuzz.lock
	@tools/setup_python.sh fuzz && touch $@

DASHBOARD_SOURCES := $(shell find dashboard tools/build_dashboard* -type f \
	-not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.make/dashboard: $(DASHBOARD_SOURCES)
	@tools/setup_dashboard.sh && mkdir -p .make && touch $@

# Without tmux `farebox top` is not tested in a terminal, and the tests say so; everything else is.
.make/tmux: tools/setup_package.sh
	@tools/setup_package.sh tmux || echo "farebox top is not tested in a terminal here." >&2
	@mkdir -p .make && touch $@

# Without Go its SDK is not tested, and the tests say so; everything else is.
.make/go: tools/setup_package.sh
	@tools/setup_package.sh go || echo "The Go SDK is not tested here." >&2
	@mkdir -p .make && touch $@

.make/chromium .make/nginx .make/wrk: tools/setup_package.sh
	@tools/setup_package.sh $(notdir $@) && mkdir -p .make && touch $@
