# make test       environment, style check, tests
# make reproduce  environment, every driver with its defaults, and the report
# make report     the report again, from what is in outputs/
# make bench      every benchmark, into bench/results.md
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: test reproduce report bench format clean
.DELETE_ON_ERROR:

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

reproduce: $(READY)
	$(BIN)/python train_gmm.py
	$(BIN)/python train_umm.py
	$(BIN)/python train_gpt.py
	$(BIN)/python report/build.py

report: $(READY)
	$(BIN)/python report/build.py

bench: $(READY)
	$(BIN)/python bench/run_all.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,dev,report]"
	@touch $@

clean:
	rm -rf $(VENV) outputs build *.egg-info .pytest_cache .ruff_cache .hypothesis
