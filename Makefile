# Everything a newcomer or a contributor does has one verb here. `make` alone lists them.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.development
PROTO_FILES := $(shell find protos/ackrep -name '*.proto')
DEMO := examples/demo_data

.PHONY: help demo up test unit contract integration browser screenshots chaos check fmt protos migrations docs stubs-current breaking bench secrets assets clean

help: ## List what can be done
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*?## "} {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml
	@echo "Installing ACKREP into $(VENV) (only the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEVELOPMENT): pyproject.toml
	@echo "Installing the development tools into $(VENV) (only the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,science]'
	@touch $@ $(INSTALLED)

demo: $(INSTALLED) ## Check every entity of the demo data repository and show the pages (Ctrl-C stops all)
	@$(BIN)/ackrep --repository $(DEMO) up --check-all

up: $(INSTALLED) ## Start the embedded system on the data repository DATA=path
	@$(BIN)/ackrep --repository $(or $(DATA),$(DEMO)) up

test: $(DEVELOPMENT) ## Run all tests (real broker, engine, database, browser; CI=1 forbids skipping)
	@$(BIN)/python -m pytest tests

unit: $(DEVELOPMENT) ## Run the unit tests only
	@$(BIN)/python -m pytest tests/unit tests/repo

contract: $(DEVELOPMENT) ## Run the contract tests: every adapter of a port, same promises
	@$(BIN)/python -m pytest tests/contract

integration: $(DEVELOPMENT) ## Run the stories over real services
	@$(BIN)/python -m pytest tests/integration

browser: $(DEVELOPMENT) ## Run the browser tests in Chromium
	@$(BIN)/python -m pytest tests/browser

screenshots: $(DEVELOPMENT) ## Photograph every page of the demo into build/screenshots (ADDRESS= of a running system, ONLY=names)
	@PYTHONPATH=protos $(BIN)/python -m tests.browser.screenshots $(if $(ADDRESS),--address $(ADDRESS)) $(if $(ONLY),--only '$(ONLY)')

chaos: $(DEVELOPMENT) ## Kill, stop and empty everything while CHECKS=500 checks run (SEED=, DATABASE=postgres, DOCKER=1, ENGINE=1)
	@PYTHONPATH=protos $(BIN)/python -m tests.chaos --checks $(or $(CHECKS),500) \
	  --database $(or $(DATABASE),sqlite) $(if $(SEED),--seed $(SEED)) $(if $(DOCKER),--docker) \
	  $(if $(ENGINE),--engine) $(if $(KEEP),--keep $(KEEP))

check: $(DEVELOPMENT) stubs-current breaking ## Lint, types, import rules, protos: everything that runs nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint build/ackrep.binpb

fmt: $(DEVELOPMENT) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

protos: $(DEVELOPMENT) ## Generate stubs and the descriptor image from protos/
	@$(BIN)/python protos/generate.py protos build/ackrep.binpb

migrations: $(DEVELOPMENT) ## Write the revision of the scheduler's schema after a change of tables (NAME=word)
	@PYTHONPATH=protos $(BIN)/python -m services.scheduler.sql.migrations --name "$(or $(NAME),change)"

docs: $(INSTALLED) ## Fill the generated parts of docs/ from settings, commands, protos and pages
	@$(BIN)/python docs/generate.py

stubs-current: $(DEVELOPMENT)
	@$(BIN)/python protos/generate.py --check protos build/ackrep.binpb

breaking: stubs-current # Against the last release; before the first one, against nothing.
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null || true); \
	if [ -z "$$tag" ]; then echo "buf breaking: no release yet to compare with"; else \
	  rm -rf build/released && mkdir -p build/released && git archive "$$tag" protos | tar -x -C build/released && \
	  $(BIN)/python protos/generate.py --image-only build/released/protos build/released.binpb && \
	  $(BIN)/buf breaking build/ackrep.binpb --against build/released.binpb; fi

bench: $(DEVELOPMENT) ## Measure, each number beside its alternative
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.sse
	@$(BIN)/python -m bench.processor
	@$(BIN)/python -m bench.reuse
	@$(BIN)/python -m bench.results
	@$(BIN)/python -m bench.catalog
	@$(BIN)/python -m bench.search
	@$(BIN)/python -m bench.ontology
	@$(BIN)/python -m bench.gateway

secrets: ## Write .env for Compose: a token, a database password, the engine's group (kept if there)
	@test -e .env && echo ".env is there already" || deploy/secrets > .env && chmod 600 .env

assets: ## Rebuild the front-end assets (needs npm); they are committed as built
	@cd gateway/assets && npm ci --no-audit --no-fund && npm run build

clean: ## Remove what was built here (not the virtual environment)
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
