# make test       environment, style check, tests
# make reproduce  environment, every driver with its defaults, into outputs/
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: test reproduce gmm bench format clean
.DELETE_ON_ERROR:

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

reproduce: gmm

gmm: $(READY)
	$(BIN)/python train_gmm.py

bench: $(READY)
	$(BIN)/python bench/run_all.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,dev]"
	@touch $@

clean:
	rm -rf $(VENV) outputs build *.egg-info .pytest_cache .ruff_cache .hypothesis
