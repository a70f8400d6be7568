# Everything a developer types. `make demo` and `make test` work on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test check fix docs default-model bench clean

help:
	@echo "make demo           install the light package into .venv and classify a few sentences"
	@echo "make test           install what the tests need and run them all"
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

test: $(VENV)/.test
	$(BIN)/python -m pytest

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
