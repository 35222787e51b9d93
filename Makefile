# Every target says what it does behind `##`; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down demo demo-real test check prerequisites

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

check: prerequisites ## Formatting, lints, documentation and the repository's own rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo test --workspace --quiet --test repository

prerequisites:
	@deploy/prerequisites.sh
