# Needs make and Python 3.11, 3.12 or 3.13 (those that TensorFlow has wheels for); the rest is installed into .venv.
# Another Python: make setup PYTHON=/path/to/python3.12

BIN := .venv/bin
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup serve demo answer check format test chaos fuzz openapi examples rivals lock clean

help:  ## show these targets
	@awk -F ':.*## ' '/^#@ / {print "\n" substr($$0, 4)} \
		/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

#@ To use it
setup: .venv/installed  ## install everything into .venv

serve: setup  ## run the API and a worker until Ctrl-C (127.0.0.1:8000)
	@$(BIN)/python -m scripts.serve $(ARGS)

demo: setup  ## train the question's four experiments over HTTP and compare them
	@$(BIN)/python -m scripts.demo $(ARGS)

answer: setup  ## train what docs/relu-vs-sigmoid.md says, and write its figures and pictures anew
	@$(BIN)/python -m scripts.answer $(ARGS)

#@ To work on it
check: setup  ## format, lint, strict types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup  ## format the code and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check  ## check, then all tests (ARGS="-k name" for some, ARGS="-m slow -n 0" for the long ones)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup $(ARGS)

openapi: setup  ## write docs/openapi.json again after a change of the API
	$(BIN)/python -m scripts.openapi

examples: setup  ## record the examples of the API's description again, from a real run
	$(BIN)/python -m tests.record
	$(BIN)/python -m scripts.openapi

#@ To measure it, and to break it
chaos: setup  ## break the service on purpose and count (ARGS="--scale 0.1", "--mutations", "--help")
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: setup  ## ask the API at length with schemathesis, on SQLite and on Postgres
	$(BIN)/pytest -m slow -s tests/acceptance/test_fuzz.py $(ARGS)

rivals: setup  ## install what benchmarks measure against: PyTorch and JAX, and MLflow apart from them
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-rivals
	$(BIN)/uv pip sync --quiet --python .venv-rivals/bin/python --require-hashes \
		--compile-bytecode requirements/rivals-loops.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-mlflow
	$(BIN)/uv pip sync --quiet --python .venv-mlflow/bin/python --require-hashes \
		--compile-bytecode requirements/rivals-mlflow.txt

#@ To keep it in order
lock: setup  ## resolve requirements/*.in again (ARGS=--upgrade for newer versions)
	cd requirements && $(COMPILE) $(ARGS) --output-file dev.txt dev.in
	cd requirements && for name in uv api worker worker-gpu; do \
		$(COMPILE) --constraints dev.txt --output-file $$name.txt $$name.in || exit 1; done
	cd requirements && for name in rivals-loops rivals-mlflow; do \
		$(COMPILE) $(ARGS) --output-file $$name.txt $$name.in || exit 1; done

clean:  ## remove .venv, the rivals' and the tools' caches; var/ stays
	rm -rf .venv .venv-rivals .venv-mlflow .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

COMPILE = ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# uv installs in a third of pip's time, but does not read pip's configuration: where only pip
# knows the way to an index, pip does it. Bytecode is compiled here, because
# PYTHONDONTWRITEBYTECODE may be set, and TensorFlow then takes 8 s instead of 3 s to import.
.venv/installed: requirements/dev.txt requirements/uv.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' || { \
		echo "Plateau needs Python 3.11, 3.12 or 3.13: TensorFlow has no wheels for others." >&2; \
		echo "Found: $$($(or $(PYTHON),python3) --version 2>&1)." >&2; \
		echo "Install one of them, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode \
		requirements/dev.txt \
	|| { echo "uv could not install; trying pip."; \
		$(BIN)/pip install --quiet --no-compile --require-hashes -r requirements/dev.txt \
		&& $(BIN)/python -m compileall -q -j 0 .venv/lib; }
	@touch $@
