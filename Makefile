# Everything that can be done with a checkout. `make help` lists it.

PYTHON ?= python3
CONFIG ?= configs/tales.yaml
RUN = runs/$(notdir $(basename $(CONFIG)))
BIN = .venv/bin
EXTRAS ?= dev,fast,report
COMMA := ,
DEV = .venv/installed-$(subst $(COMMA),-,$(EXTRAS))

.PHONY: train sample eval data test lint fmt bench torture clean help

train: .venv/installed  ## train CONFIG (the tales), or go on with it, and show what it writes
	@$(BIN)/charrnn train $(CONFIG) --resume
	@$(BIN)/charrnn sample $(RUN) --length 400 --temperature 0.6 --seed 3 > $(RUN)/sample.txt
	@fold -s $(RUN)/sample.txt

sample: .venv/installed  ## let the newest model write
	@$(BIN)/charrnn sample

eval: .venv/installed  ## measure the newest model on its validation part
	@$(BIN)/charrnn eval

data: .venv/installed  ## fetch tiny Shakespeare to data/, for configs/shakespeare.yaml
	@$(BIN)/python data/fetch.py

test: $(DEV)  ## run the tests
	@$(BIN)/pytest

lint: $(DEV)  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict charrnn data/fetch.py

fmt: $(DEV)  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV)  ## measure the speed beside PyTorch, where it is installed in .venv
	@$(BIN)/python tests/benchmarks/training_step.py
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/benchmarks/sampling.py

torture: $(DEV)  ## try for a long while to break something; the tests do so in short
	@PYTHONPATH=tests $(BIN)/python -m torture --write

clean:  ## remove what make has made, but no runs
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "charrnn needs Python 3.10 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@$(BIN)/pip install --quiet --editable '.[fast]' || \
		{ echo "Numba cannot be had here; NumPy alone will do, more slowly"; \
		$(BIN)/pip install --quiet --editable .; }
	@touch $@

$(DEV): pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@ .venv/installed
