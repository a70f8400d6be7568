# Everything a developer types. `make demo` and the tests work on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test test-all test-long check fix docs default-model bench clean

help:
	@echo "make demo           install the light package into .venv and classify a few sentences"
	@echo "make test           install what the tests need and run the quick ones, two minutes"
	@echo "make test-all       all that must pass before a change goes in, a quarter of an hour"
	@echo "make test-long      what proves something once, hours; goes on where it was stopped (AGAIN=1: from the start)"
	@echo "make check          lint, format, types and docstrings"
	@echo "make fix            let the linter mend what it can"
	@echo "make docs           write the command reference and the tables of figures anew"
	@echo "make default-model  train the embedded model anew (needs ../shared, about an hour and a half)"
	@echo "make bench          valence beside its peers, about an hour; training speed, topics, few labels (needs ../shared)"
	@echo "make clean          remove .venv and what tools left behind"

demo: $(VENV)/.light
	@$(BIN)/valence classify \
		"Hello, my dog is cute" \
		"The plot was a mess and the acting was worse" \
		"A warm, funny and beautifully acted film" \
		"I would not recommend it to anyone" \
		"It broke after two days"

# One process for each usable processor; who has nothing left takes tests over from another.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: $(VENV)/.test
	$(PYTEST) --tier quick

test-all: $(VENV)/.test
	$(PYTEST) --tier full --durations=30 --durations-min=1

# One after the other. What passed on these sources, tests/long-report.json says, is not run again but with AGAIN=1.
test-long: $(VENV)/.test
	$(BIN)/python -m pytest --tier long --timeout 7200 -v $(if $(AGAIN),--again)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pydoclint --quiet src scripts benchmarks

fix: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.test
	$(BIN)/python scripts/write_docs.py

default-model: $(VENV)/.test
	$(BIN)/python scripts/build_default_model.py

bench: $(VENV)/.test
	$(BIN)/valence bench --checkpoint models/default --json benchmarks/results/performance.json
	$(BIN)/valence bench --stream 1000000 --json benchmarks/results/stream.json
	$(BIN)/python benchmarks/profile_native.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/training_speed.py ../shared/data/sst2/train.tsv --base ../shared/models/all-MiniLM-L6-v2
	$(BIN)/python benchmarks/topics.py
	$(BIN)/python benchmarks/few_labels.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "valence needs Python 3.11 or newer as '$(PYTHON)'; name another with: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

KERNELS := src/valence/runtime/native/encoder.c hatch_build.py

$(VENV)/.light: $(VENV)/.created pyproject.toml $(KERNELS)
	@echo "installing valence (light, without torch) into $(VENV) …"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.light pyproject.toml constraints.txt
	@echo "installing what tests and checks need into $(VENV) …"
	@$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@
