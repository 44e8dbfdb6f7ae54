# Two commands: `make demo` and `make test`. Each sets up all that it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp
ARGS   ?=
# uv draws its progress on a terminal only; make hands its own on.
export UV_NO_PROGRESS := $(shell [ -t 2 ] || echo 1)

# Without bytecode each of the many processes of a test run compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit wheel bench fuzz sanitize soak lint docs screenshots lock clean

help:
	@echo "make demo    run the example service and see where its milliseconds went"
	@echo "make demo ARGS=--dashboard   the same, with its pages"
	@echo "make test    everything that CI runs"
	@echo "make unit    the tests without real parts, on all cores: for the time between two edits"
	@echo "make wheel   the tests against the built wheel, in a clean environment"
	@echo "make bench   what it costs, beside the alternatives"
	@echo "make fuzz    a million hostile payloads at the receivers' decoder, 11 000 sequences of calls at spans"
	@echo "make sanitize   the compiled modules' tests and the decoder's fuzzer under GCC's sanitizers"
	@echo "make soak ARGS='--minutes 60'   a collector under attacks, kills, full disks and jumps of the clock"
	@echo "make lint    ruff, mypy, pyright, import-linter, and the workflows"
	@echo "make screenshots  the README's pictures of the dashboard"
	@echo "make docs    write the generated tables of the documentation and collector_config/ anew"

setup: $(STAMP)

# uv resolves in seconds what older pips search for minutes; it comes from the same registry.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("otel_fe needs Python 3.10 or newer; found " + sys.version.split()[0]) if sys.version_info < (3, 10) else None'
	@echo "setup 1/3: making $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv $(VENV)
	@echo "setup 2/3: installing uv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(STAMP): pyproject.toml $(wildcard otel_fe/compiled/*.p[yx]*) .hatch/compile.py | $(BIN)/uv
	@echo "setup 3/3: installing otel_fe and what the demo needs into $(VENV), about half a minute" >&2
	@# One line for each of uv's steps, without its list of packages. A pipe would lose its exit status: a file keeps it.
	@{ $(BIN)/uv pip install --python $(BIN)/python --editable '.[demo,gpu]' 2>&1; echo $$? > $(VENV)/.status; } \
		| { grep --line-buffered -v '^ [-+~] ' || true; } | sed 's/^/  /' >&2; exit $$(cat $(VENV)/.status)
	@echo "setup: done" >&2
	@touch $@

# Pinned, on the Python that the pins are for, so that a new release of a dependency does not break a test run;
# `make lock` renews them.
PINS = $(shell $(BIN)/python -c 'import sys; print("--constraint tests/constraints.txt" if sys.version_info[:2] == (3, 11) else "")')

# What the first installation has compiled lies beside the sources and stays.
$(VENV)/.stamp-test: $(STAMP) tests/constraints.txt
	@OTEL_FE_COMPILED=false $(BIN)/uv pip install --quiet --python $(BIN)/python $(PINS) --editable '.[demo,gpu,anomalies]' --group test --group lint
	@touch $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-test
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PINS) --group bench
	@touch $@

demo: setup
	@$(BIN)/otel-fe demo $(ARGS)

test: $(VENV)/.stamp-test
	@$(BIN)/python -m tests $(ARGS)

# Each worker imports the package once, and hands back what it has not begun to another that is done.
unit: $(VENV)/.stamp-test
	@$(BIN)/python -m pytest --numprocesses=logical --dist=worksteal --hypothesis-profile=between_edits -m "not thorough" -q tests/unit tests/properties tests/contract $(ARGS)

wheel: $(VENV)/.stamp-test
	@$(BIN)/python -m tests.wheel $(ARGS)

bench: $(VENV)/.stamp-bench
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(VENV)/.stamp-test
	@$(BIN)/python -m tests.fuzz --inputs 1000000 $(ARGS)
	@SPAN_SEQUENCES=11000 $(BIN)/python -m pytest -q tests/properties/test_span_api.py

sanitize: $(VENV)/.stamp-test
	@$(BIN)/python -m tests.sanitized $(ARGS)

soak: $(VENV)/.stamp-test
	@$(BIN)/python -m tests.soak $(ARGS)

# Each by itself, so that `make --jobs` runs them at the same time.
LINTS := lint-ruff lint-mypy lint-pyright lint-imports lint-workflows
.PHONY: $(LINTS)
lint: $(LINTS)
$(LINTS): $(VENV)/.stamp-test
lint-ruff:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
lint-mypy:
	$(BIN)/mypy
lint-pyright:
	$(BIN)/pyright
lint-imports:
	$(BIN)/lint-imports
lint-workflows:
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

docs: setup
	@$(BIN)/python -m otel_fe.reference $$(grep -rl 'generated: ' --include='*.md' README.md otel_fe)
	@$(BIN)/otel-fe render collector --out collector_config

screenshots: $(VENV)/.stamp-test
	@$(BIN)/python -m tests.e2e.screenshots .github/screenshots

lock: setup
	@$(BIN)/uv pip install --quiet --upgrade --python $(BIN)/python --editable '.[demo,gpu,anomalies]' --group test --group lint --group bench
	@$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable > tests/constraints.txt

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
