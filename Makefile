# `make run` opens Inro; `make test` runs every test. Both set up .venv by themselves.

PYTHON ?= python3
VENV ?= .venv
LLAMA_CPP_PYTHON := 0.3.36
CONSTRAINTS := packaging/constraints.txt

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)
TRANSLATIONS := app/resources/translations/inro_ja.qm
PREFLIGHT := $(PYTHON) packaging/preflight.py $(if $(CI),--install)
WINDOW := $(if $(DISPLAY)$(WAYLAND_DISPLAY),--window)
ENVIRONMENT := pyproject.toml $(CONSTRAINTS) packaging/build_llama.py Makefile

.PHONY: run preflight test check bench demo-model translations clean

run: preflight $(VENV)/app.stamp $(TRANSLATIONS)
	@$(BIN)/inro

# Before anything that takes minutes.
preflight:
	@$(PREFLIGHT) $(WINDOW)

# Two files at a time with a thread each, in the order of their folders: the longest, in integration/, do not come last.
test: $(VENV)/dev.stamp $(TRANSLATIONS)
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
		--no-loadscope-reorder

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python packaging/translations.py --check

bench: $(VENV)/dev.stamp $(TRANSLATIONS)
	QT_QPA_PLATFORM=offscreen $(BIN)/python tests/bench/bench.py $(BENCH)

# Train, convert, verify and score the demonstration model with the project's own commands: 25 minutes on two cores.
DEMO := build/demo
DEMO_MODEL := $(DEMO)/inro-demo-Q8_0.gguf
DEMO_SOURCE := --checkpoint $(DEMO)/checkpoint --adapter $(DEMO)/adapter
# One thread: so small a model is no faster with more, and is much slower beside another program.
DEMO_SCORE = $(BIN)/inro-eval run --model $(DEMO_MODEL) --task demo --threads 1 --fresh \
	--require trained=0.95 --require second_wordings=0.60

demo-model: $(VENV)/dev.stamp
	$(BIN)/inro-train demo-data -o $(DEMO)/data --force
	$(BIN)/inro-train mfpt trainer/demo/mfpt.yaml --force
	$(BIN)/inro-train mpeft trainer/demo/mpeft.yaml --force
	$(BIN)/inro-convert $(DEMO)/checkpoint --adapter $(DEMO)/adapter --quant Q8_0 --name inro-demo \
		--no-verify --no-manifest -o $(DEMO_MODEL) --force
	$(BIN)/inro-convert verify $(DEMO_MODEL) $(DEMO_SOURCE) -o $(DEMO)/verification.json
	$(DEMO_SCORE) --lang ja -o $(DEMO)/score-ja
	$(DEMO_SCORE) --lang en -o $(DEMO)/score-en
	cp $(DEMO)/score-ja/score_card.json $(DEMO)/score_card_ja.json
	cp $(DEMO)/score-en/score_card.json $(DEMO)/score_card_en.json
	$(BIN)/inro-convert manifest $(DEMO_MODEL) --name inro-demo --licence Apache-2.0 --demonstration $(DEMO_SOURCE) \
		--record $(DEMO)/data/run_record.json --record $(DEMO)/checkpoint/run_record.json \
		--record $(DEMO)/adapter/run_record.json --verification $(DEMO)/verification.json \
		--score-card $(DEMO)/score_card_ja.json --score-card $(DEMO)/score_card_en.json \
		--examples trainer/demo/examples.json -o $(DEMO_MODEL:.gguf=.manifest.json)
	mkdir -p app/resources/demo
	cp $(DEMO_MODEL) $(DEMO_MODEL:.gguf=.manifest.json) $(DEMO)/score_card_ja.json $(DEMO)/score_card_en.json \
		app/resources/demo/

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
