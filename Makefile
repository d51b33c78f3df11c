# `make run` opens Inro; `make test` runs every test. Both set up .venv by themselves.

PYTHON ?= python3
VENV ?= .venv
LLAMA_CPP_PYTHON := 0.3.36
CONSTRAINTS := packaging/constraints.txt

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)
TRANSLATIONS := app/resources/translations/inro_ja.qm
PREFLIGHT := $(PYTHON) packaging/preflight.py $(if $(CI),--install)
ENVIRONMENT := pyproject.toml $(CONSTRAINTS) packaging/build_llama.py Makefile

.PHONY: run test check bench demo-model translations clean

run: $(VENV)/app.stamp $(TRANSLATIONS)
	@$(if $(DISPLAY)$(WAYLAND_DISPLAY),$(PREFLIGHT) --window)
	@$(BIN)/inro

test: $(VENV)/dev.stamp $(TRANSLATIONS)
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python packaging/translations.py --check

bench: $(VENV)/dev.stamp $(TRANSLATIONS)
	QT_QPA_PLATFORM=offscreen $(BIN)/python tests/bench/bench.py $(BENCH)

# Train, convert, verify and score the demonstration model; the result goes to app/resources/demo.
demo-model: $(VENV)/dev.stamp
	$(BIN)/python trainer/demo/build.py build/demo app/resources/demo

# Take new texts of the interface into the .ts file.
translations: $(VENV)/dev.stamp
	$(BIN)/python packaging/translations.py

$(TRANSLATIONS): $(wildcard app/resources/translations/*.ts) | $(VENV)/app.stamp
	$(BIN)/pyside6-lrelease -silent $(@:.qm=.ts) -qm $@

$(VENV)/venv.stamp:
	@$(PREFLIGHT)
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip
	@touch $@

$(VENV)/app.stamp: $(ENVIRONMENT) $(VENV)/venv.stamp
	@$(BIN)/python packaging/build_llama.py $(LLAMA_CPP_PYTHON)
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev.stamp: $(ENVIRONMENT) $(VENV)/app.stamp
	@$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist $(TRANSLATIONS)
