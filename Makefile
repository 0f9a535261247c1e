# Everything that is done with this repository. `make` alone lists it.
# All of it runs from a fresh clone: what is missing is installed first.

VENV ?= .venv
BIN := $(VENV)/bin
KILLS ?= 200
STAMP := $(VENV)/.installed

# With it set, every process would import vLLM from source: 13 s each time instead of 6.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test torture torture-memory check lint types docs reference pictures lock pilot clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1 — /'

install: $(STAMP)  ## the virtual environment, with a real engine

$(STAMP): pyproject.toml requirements/cpu.txt requirements/install.sh
	VENV=$(VENV) sh requirements/install.sh
	@touch $@

run: $(STAMP)  ## boot the kernel if need be, open the shell in examples/desk
	@cd examples/desk && $(abspath $(BIN))/llmos

test: $(STAMP)  ## all tests, on the real engine
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

torture: $(STAMP)  ## a kernel under load is killed KILLS times; nothing may be lost
	$(BIN)/python tests/torture.py --kills $(KILLS)

torture-memory: $(STAMP)  ## the same for memory: pages, recall, embeddings, documents
	$(BIN)/python tests/memory_torture.py --kills $(KILLS)

check: lint types test  ## what must be green before a commit lands

lint: $(STAMP)  ## style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy --strict
	@mkdir -p .types && ln -sfn .. .types/llmos
	$(BIN)/mypy -p llmos
	$(BIN)/mypy tests bench

reference: $(STAMP)  ## docs/reference/ from the code: verbs, syscalls, errors
	$(BIN)/python docs/make_reference.py

pictures: $(STAMP)  ## docs/pictures/ anew: a real shell and the real engine, in the tests' own terminal
	$(BIN)/python docs/make_pictures.py

docs: reference  ## the site, in build/site
	$(BIN)/sphinx-build -W -q -b html docs build/site
	@echo build/site/index.html

lock: $(STAMP)  ## write requirements/cpu.txt anew from pyproject.toml
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --no-annotate \
	    --no-emit-index-url --excludes requirements/cpu-excludes.txt --extra cpu --extra dev --extra docs --extra tune \
	    pyproject.toml -o requirements/cpu.txt

pilot: $(STAMP)  ## train the built-in model anew: hours on two cores, minutes on a GPU
	$(BIN)/python -m llmos.pilot.train

bench-%: $(STAMP)  ## a figure: bench-overhead, bench-attach, bench-dispatch, bench-interactive, bench-memory-scale, bench-paging, bench-pilot, bench-plugins, bench-recall, bench-scale, bench-scheduler, bench-stop
	$(BIN)/python bench/$(subst -,_,$*).py

clean:  ## remove what was installed or built
	rm -rf $(VENV) .types .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
