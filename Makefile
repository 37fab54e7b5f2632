# `make quickstart` trains a model, `make test` passes the tests; both install what they need into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FLAVOUR := $(if $(shell command -v nvidia-smi 2>/dev/null),gpu,cpu)

.PHONY: quickstart smoke test lint install clean

quickstart: install
	$(BIN)/python scripts/train.py scripts/configs/quickstart.yaml $(ARGS)

smoke: install
	$(BIN)/python scripts/train.py scripts/configs/quickstart.yaml --smoke $(ARGS)

test: install lint
	$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

install: $(STAMP)

$(STAMP): pyproject.toml constraints-$(FLAVOUR).txt scripts/install.sh
	sh scripts/install.sh $(PYTHON) $(VENV) $(FLAVOUR)
	touch $(STAMP)

clean:
	rm -rf $(VENV)
