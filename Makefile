# Every target makes what it needs in .venv; nothing is done twice while pyproject.toml
# stays as it is. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One stamp per set of extras, named after pyproject.toml's content.
KEY := $(shell cksum <pyproject.toml | tr ' ' '-')
stamp = $(VENV)/.installed-$(1)-$(KEY)
FOLDERS := ir tracer lowering runtime tools
CHECKED := thrace $(FOLDERS) tests examples benchmarks make
PYTEST := $(BIN)/pytest -n 2 --durations=10
# Of the random programs of `make fuzz`.
SEED ?= 0

.DEFAULT_GOAL := help
.NOTPARALLEL: # two pips in one environment would meet
.PHONY: help setup demo test test-steps test-gpu test-browser matrix web docs lint types typing \
	stubs bench conformance fuzz faults mutation clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(call stamp,demo) $(call stamp,test) $(call stamp,dev) typing ## install everything for working on thrace

demo: $(call stamp,demo) ## train the digits example; results in build/demo
	$(BIN)/python examples/digits.py

test: $(call stamp,test) ## run all tests
	$(PYTEST) -m "not gpu"

test-steps: $(call stamp,test) ## every optimizer under every scheduler, and every way to write a step
	THRACE_ALL_STEPS=1 $(PYTEST) tests/tracer/test_schedules.py tests/tracer/test_step_patterns.py \
		tests/examples

test-gpu: ## run the GPU tests, where there is a CUDA device
	@if nvidia-smi -L >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory $(call stamp,test) $(call stamp,cuda) && \
		THRACE_REQUIRE_GPU=1 XLA_PYTHON_CLIENT_PREALLOCATE=false $(BIN)/pytest -m gpu; \
	else \
		echo "test-gpu: no CUDA device on this machine, nothing to test"; \
	fi

matrix: ## run the tests that need no PyTorch on every Python and the oldest and newest JAX
	$(PYTHON) make/matrix.py $(TESTS)

test-browser: $(call stamp,test) $(call stamp,browser) ## test the explorer in Chromium (apt install chromium)
	THRACE_REQUIRE_BROWSER=1 $(BIN)/pytest tests/tools/test_explorer.py

web: $(call stamp,test) ## fetch the explorer's JavaScript library with npm
	$(BIN)/python make/web.py

lint: $(call stamp,test) $(call stamp,dev) typing ## check style, formatting, types and stubs
	@status=0; \
	for check in "ruff check" "ruff format --check" "pyright" "python make/stubs.py --check" \
			"python make/web.py --check"; do \
		echo "$$check"; $(BIN)/$$check || status=1; \
	done; exit $$status

types: $(call stamp,test) $(call stamp,dev) typing ## check types with pyright
	$(BIN)/pyright

stubs: $(call stamp,test) ## write the type stubs of what tables bind
	$(BIN)/python make/stubs.py

bench: $(call stamp,test) ## compare with hand-written jax.jit, PyTorch and other peers that are installed
	$(BIN)/python benchmarks/compare.py

fuzz: $(call stamp,test) ## compare random programs with PyTorch, draw new examples for property tests
	$(BIN)/python -m tests.fuzz --programs 20000 --seed $(SEED)
	$(PYTEST) -m hypothesis --hypothesis-profile=fuzz

faults: $(call stamp,test) ## interrupts, exceptions at every call, memory over long runs, deep graphs
	$(BIN)/python -m tests.faults

conformance: $(call stamp,test) ## run PyTorch's OpInfo database; figures in build/ and docs/
	$(BIN)/python -m tests.conformance --docs

mutation: $(call stamp,test) ## compare programs in every state, disable each guard and rule in turn
	$(BIN)/python -m tests.states

docs: $(call stamp,test) $(call stamp,docs) ## build the documentation's site in build/site
	$(BIN)/python make/docs.py

clean: ## remove what was built, .venv included
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis $(VENV)
	find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} +

# pyright follows no import hook, so an editable install says nothing to it: this tree of
# links shows it the folders as the package they are installed as.
typing:
	@mkdir -p build/typing/thrace
	@find build/typing/thrace -type l ! -exec test -e {} \; -delete
	@cd build/typing/thrace && \
		ln -sfn $(patsubst %,../../../%,$(filter-out %/__pycache__,$(wildcard thrace/*)) $(FOLDERS)) .

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "thrace needs Python 3.11 or newer, and there is no '$(PYTHON)' here;" \
			"name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "thrace needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1);" \
			"name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-%-$(KEY): $(VENV)/.made
	@echo "installing thrace[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@rm -f $(VENV)/.installed-$*-*
	@touch $@
