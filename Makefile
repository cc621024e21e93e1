# make demo     a fresh clone to answers; stays up until Ctrl-C (ONCE=1: ends by itself; TRAIN=1: trains its networks)
# make weights  trains the networks that come with the demonstration anew: some hours
# make test     sets up and runs the tests
# make lint     checks style and format
# make chaos    kills parts of a cluster under load, and tells what callers noticed
# make clean    removes the environment, the demonstration's data and caches
# PYTHON=...    the interpreter to build the environment with (3.11 or newer)

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
ONCE ?=
TRAIN ?=
SIZE ?= demo
ARGS ?=

.PHONY: demo weights test test-served test-others lint chaos install clean

# exec: the recipe's shell steps aside, so that Ctrl-C and signals reach the demonstration itself.
demo: $(STAMP)
	@exec $(VENV)/bin/atelier demo --size $(SIZE) $(if $(filter-out 0,$(ONCE)),--once) \
		$(if $(filter-out 0,$(TRAIN)),--train) $(ARGS)

weights: $(STAMP)
	$(VENV)/bin/atelier demo --size shipped --once
	$(VENV)/bin/python -m demo.weights
	$(VENV)/bin/atelier demo --once
	$(VENV)/bin/python -m demo.weights bank

# One thread each: where processors are few, a thread that waits for its turn holds up all the others.
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q
SERVED := tests/services tests/cluster tests/k8s tests/benchmarks

# Two processes side by side, each with half of the folders; ARGS="path -k words" is one.
test: $(STAMP)
	$(if $(ARGS),$(PYTEST) $(ARGS),@$(MAKE) --no-print-directory --keep-going -j 2 test-served test-others)

test-served: $(STAMP)
	$(PYTEST) $(SERVED)

test-others: $(STAMP)
	$(PYTEST) tests $(SERVED:%=--ignore=%)

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

chaos: $(STAMP)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.chaos $(ARGS)

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Atelier needs Python 3.11 or newer; name one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -e ".[local,dev]" -c constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) .atelier demo-output build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
