# make test           environment, style check, tests
# make reproduce      environment, the first assignment's drivers, and its report
# make test-all       the tests that need the packages of all rooms, too
# make reproduce-all  every assignment, and the reports; PARTS="gmm gpt": only these
# make reproduce-gpt  one part alone
# make reports        the reports again, from what is in outputs/
# make playground     the trained models in one page: outputs/playground/index.html
# make bench          every benchmark, into bench/results.md
# make mutants        how good the tests are; MODULES="dataset.py": only these
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
READY_ALL := $(VENV)/ready-all
READY_MUTANTS := $(VENV)/ready-mutants
PIP_INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt
FIRST := gmm umm gpt
ALL := $(FIRST) headlines sentiment gpt2 similarity composers theory
PARTS ?= $(ALL)

.PHONY: test test-all reproduce reproduce-all report reports playground bench
.PHONY: mutants style format clean
.PHONY: $(ALL:%=reproduce-%)
.DELETE_ON_ERROR:
.NOTPARALLEL:

test: style
	$(BIN)/python -m pytest

test-all: $(READY_ALL) style
	$(BIN)/python -m pytest -m ""

reproduce: $(FIRST:%=reproduce-%)
	$(BIN)/python report/build.py generative_models

reproduce-all: $(READY_ALL) $(PARTS:%=reproduce-%) reports

$(FIRST:%=reproduce-%): reproduce-%: $(READY)
	$(BIN)/python train_$*.py

reproduce-sentiment: $(READY_ALL)
	$(BIN)/python train_sentiment.py
	$(BIN)/python train_sentiment.py --costs
	$(BIN)/python train_sentiment.py --blocks

reproduce-gpt2: $(READY_ALL)
	$(BIN)/python sample_gpt2.py

reproduce-composers: $(READY_ALL)
	$(BIN)/python train_composers.py
	$(BIN)/python train_composers.py --ablate

reproduce-similarity: $(READY)
	$(BIN)/python compare_similarity.py

reproduce-theory: $(READY)
	$(BIN)/python check_theory.py

reproduce-headlines: $(READY_ALL)
	$(BIN)/python train_headlines.py
	$(BIN)/python train_headlines.py --why

reports: $(READY)
	$(BIN)/python report/build.py

report: reports  # its former name

playground: $(READY)
	$(BIN)/python export_playground.py

bench: $(READY_ALL)
	$(BIN)/python bench/run_all.py

mutants: $(READY_MUTANTS)
	$(BIN)/python tests/mutants.py $(MODULES)

style: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable ".[test,dev,report]"
	@touch $@

$(READY_ALL): $(READY)
	$(PIP_INSTALL) --editable ".[all,test,dev,report]"
	@touch $@

$(READY_MUTANTS): $(READY)
	$(PIP_INSTALL) --editable ".[mutants,test,dev,report]"
	@touch $@

clean:
	rm -rf $(VENV) outputs mutants build *.egg-info .pytest_cache .ruff_cache .hypothesis
