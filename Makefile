# Targets for a checkout; `make help` lists them.

PYTHON ?= python3
CONFIG ?= configs/tales.yaml
RUN = runs/$(notdir $(basename $(CONFIG)))
BIN = .venv/bin
EXTRAS ?= dev,fast,report
COMMA := ,
DEV = .venv/installed-$(subst $(COMMA),-,$(EXTRAS))

.PHONY: train sample eval colours data test test-all test-external lint fmt bench torture clean help

train: .venv/installed  ## train CONFIG (the tales), or resume it, and print a sample
	@$(BIN)/charrnn train $(CONFIG) --resume
	@echo; echo "charrnn sample $(RUN) --length 400 --temperature 0.6 --seed 3"; echo
	@$(BIN)/charrnn sample $(RUN) --length 400 --temperature 0.6 --seed 3 > $(RUN)/sample.txt
	@fold -s $(RUN)/sample.txt

sample: .venv/installed  ## print a sample of the newest model
	@$(BIN)/charrnn sample

eval: .venv/installed  ## score the validation part with the newest model
	@$(BIN)/charrnn eval

colours: .venv/installed  ## train on names of colours, and write a page that names them
	@$(BIN)/charrnn train configs/colours.yaml --resume
	@$(BIN)/charrnn export runs/colours

data: .venv/installed  ## write or fetch the data that is not in the repository, to data/
	@$(BIN)/python data/cards.py
	@$(BIN)/python data/numbers.py
	@$(BIN)/python data/fetch.py

test: $(DEV)  ## run the tests, except for those of test-external
	@$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal -m 'not external'

test-external: $(DEV)  ## run the tests that need a browser, MPI or another framework
	@$(BIN)/pytest -m external

test-all: test test-external  ## run all tests

lint: $(DEV)  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict charrnn data/*.py

fmt: $(DEV)  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV)  ## measure the speed, and that of PyTorch if it is installed in .venv
	@$(BIN)/python tests/benchmarks/training_step.py
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/benchmarks/sampling.py

torture: $(DEV)  ## try to break something for a long time; the tests run a short version
	@PYTHONPATH=tests $(BIN)/python -m torture --write

clean:  ## remove everything that make has made, except runs
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "charrnn needs Python 3.10 or newer; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@$(BIN)/pip install --quiet --editable '.[fast]' || \
		{ echo "Numba cannot be installed here; NumPy alone does the work, more slowly"; \
		$(BIN)/pip install --quiet --editable .; }
	@touch $@

$(DEV): pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@ .venv/installed
