# Every target says what it does behind `##`; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down demo demo-real test check bench-identity prerequisites

# The exported files that `make demo-real` reads.
DATA ?= ../shared/data

# What every target builds: the whole workspace in one profile, so that nothing is compiled twice.
BUILD := cargo build --workspace --quiet
TARGET = $(shell cargo metadata --format-version 1 --no-deps --offline 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
TRIBUTARY = $(TARGET)/debug/tributary

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

up: prerequisites ## Start a local Kafka and ClickHouse (without Docker) and leave them running
	@$(BUILD)
	@$(TRIBUTARY) dev up

down: ## Stop what `make up` started; its data stays
	@[ -x $(TRIBUTARY) ] || $(BUILD)
	@$(TRIBUTARY) dev down

demo: prerequisites ## From nothing to answers: generated records through the whole path, then six questions
	@echo "building (the first time takes some minutes) …"
	@$(BUILD)
	@$(TRIBUTARY) demo

demo-real: prerequisites ## The same on exported files; DATA=folder names them
	@echo "building (the first time takes some minutes) …"
	@$(BUILD)
	@$(TRIBUTARY) demo --real $(DATA)

test: prerequisites ## Run every test, on a Kafka and ClickHouse of their own
	@deploy/test-stack.sh cargo test --workspace --no-fail-fast
	@cargo test --package identity --features canary --test canaries

check: prerequisites ## Formatting, lints, documentation and the repository's own rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo test --workspace --quiet --test repository

# Sizes in millions of identifiers, and where the table, the CSV and the plot go.
SIZES ?= 1,10,100
OUT ?= $(TARGET)/bench-identity
BENCH_VENV = $(TARGET)/bench-identity/venv

bench-identity: ## Measure the identity graph beside HashMap + UnionFind, DashMap and SciPy; SIZES=1,10 (millions), OUT=folder
	@cargo build --release --quiet -p identity-bench
	@mkdir -p $(TARGET)/bench-identity
	@$(BENCH_VENV)/bin/python -c 'import scipy' 2>/dev/null \
		|| (python3 -m venv $(BENCH_VENV) && $(BENCH_VENV)/bin/pip install --quiet scipy) \
		|| { rm -rf $(BENCH_VENV); echo "SciPy cannot be installed here: its figures are left out"; }
	@$(TARGET)/release/identity-bench run --sizes $(SIZES) --out $(OUT) --scratch $(TARGET)/bench-identity \
		$$([ -x $(BENCH_VENV)/bin/python ] && echo --python $(BENCH_VENV)/bin/python)

prerequisites:
	@deploy/prerequisites.sh
