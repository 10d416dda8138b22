# make help tells what there is. Everything goes into .venv; nothing is installed elsewhere.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check install --quiet
CONFIG := configs/small_train.yaml
.DEFAULT_GOAL := help
# of make quality; without MEL it judges example_input/, which is quick and says little
MEL ?=
LABELS ?= example_input/labels.csv
COLUMN ?= genre
GROUP ?= artist
FLAGS ?=
# of make quality-all: see tests/benchmarks/quality_all.py
COLLECTIONS ?=
MINUTES ?= $(if $(MEL)$(COLLECTIONS),3,0.2)
QUALITY_CONFIG := $(if $(MEL),,--config $(CONFIG))
# of make torture
TORTURE_MINUTES ?= 30
.PHONY: help demo test check fix bench torture quality quality-all clean

help: ## say what each target does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "installing requirements.txt into $(VENV): a few minutes the first time"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-cluster.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "installing requirements-dev.txt into $(VENV): a few minutes the first time"
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed ## the whole way on example_input/: vectors, numbers, plots and the page
	@echo "[1/5] audio to log-mel"
	@$(RUN) spectrify_all.py example_input/ example_vectors/ --config=$(CONFIG)
	@echo "[2/5] training"
	@$(RUN) spectrogram_doc2vec.py example_vectors/ example_outs/ --config=$(CONFIG)
	@mkdir -p example_results
	@$(RUN) process_results/plot_costs.py example_outs/ --output example_results/costs.png
	@echo "[3/5] spherical k-means against the labels"
	@$(RUN) process_results/sphere_kmeans.py example_outs/ example_input/labels.csv --label-column genre --clusters 6 --output example_results/clusters.png
	@echo "[4/5] the page"
	@$(RUN) static_web_viewer/display_vector_data.py example_outs/ example_input/ example_page/ --labels example_input/labels.csv --mel-folder example_vectors/
	@echo "[5/5] can the six kinds be told apart by the vectors? Classification, no artist on both sides"
	@$(RUN) process_results/logistic_regress.py example_outs/ example_input/labels.csv --label-column genre --group-column artist --mel-folder example_vectors/ --score accuracy --output example_results/classification
	@echo
	@echo "Made of the 120 clips of example_input/, beside the table above:"
	@echo "  example_outs/vector_at_*.npy     a vector a clip, rows as in example_outs/music_list.txt"
	@echo "  example_results/                 costs.png, clusters.png, classification/"
	@echo "  example_page/index.html          the map, to look at and to listen to"
	@echo "Now with a folder of your own: the same commands, see README.md."
	@echo
	@echo "The map: open $(CURDIR)/example_page/index.html in a browser."

test: $(VENV)/.installed-dev ## install what the tests need, and run them all
	@$(RUN) -m pytest -n 2 --dist worksteal

check: $(VENV)/.installed-dev ## lint, format and the fast tests, in a minute and a half
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pytest -n 2 --dist worksteal -m "not slow"

fix: $(VENV)/.installed-dev ## mend what the linter and the formatter can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

bench: $(VENV)/.installed-dev ## measure speed, as ratios; takes some minutes
	@$(PIP) librosa
	@$(RUN) tests/benchmarks/spectrify.py
	@$(RUN) tests/benchmarks/training.py machine
	@$(RUN) tests/benchmarks/clustering.py
	@$(RUN) tests/benchmarks/layout.py --tracks 8000 --growth 1

torture: $(VENV)/.installed-dev ## attack the tool harder than life does, for half an hour: TORTURE_MINUTES=30 (FLAGS="--only killed disks", --seed and others)
	@$(RUN) tests/torture --minutes $(TORTURE_MINUTES) $(FLAGS)

quality: $(VENV)/.installed-dev ## judge the vectors by labels: MEL=mels LABELS=labels.csv COLUMN=genre GROUP=artist (GROUP= for none; FLAGS=--unseen and others)
	@$(if $(MEL),,$(RUN) spectrify_all.py example_input/ example_vectors/ --quiet --config=$(CONFIG))
	@$(RUN) tests/benchmarks/quality.py $(or $(MEL),example_vectors) $(LABELS) --label-column $(COLUMN) $(if $(GROUP),--group-column $(GROUP)) $(QUALITY_CONFIG) --minutes $(MINUTES) $(FLAGS)

quality-all: $(VENV)/.installed-dev ## the same of several collections and in the mean: COLLECTIONS=file.yaml (FLAGS=--together and others)
	@$(if $(COLLECTIONS),,echo "name the collections: make quality-all COLLECTIONS=file.yaml, see tests/benchmarks/quality_all.py"; exit 1)
	@$(RUN) tests/benchmarks/quality_all.py $(COLLECTIONS) --minutes $(MINUTES) $(FLAGS)

.PHONY: lowest
lowest: ## make demo with the lowest versions that requirements.txt takes, in .venv-lowest
	@$(PYTHON) -m venv .venv-lowest
	@sed -E 's/>=([^,]+),[^ ]*/==\1/' requirements.txt > .venv-lowest/lowest.txt
	@.venv-lowest/bin/python -m pip --disable-pip-version-check install --quiet -r .venv-lowest/lowest.txt
	@touch .venv-lowest/.installed
	@$(MAKE) --no-print-directory clean demo VENV=.venv-lowest

clean: ## remove what make demo and README's examples made; .venv stays
	rm -rf example_vectors example_outs example_results example_page example_short frame_vectors song_vectors new_vectors new_song_vectors
