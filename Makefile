# make run      builds what is missing and serves on http://localhost:8080 (SQLite, no configuration needed)
# make test     sets up and runs every test
# make help     the rest

.DEFAULT_GOAL := help
SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# `make run PROFILE=dev` builds faster and serves slower.
PROFILE ?= release
# Of the binary that the tests drive; `cargo test` builds that of `dev`.
TEST_BIN := $(CARGO_TARGET_DIR)/debug/latchkey
# Front ends, where they are there: each has a package.json with a `build` script.
PAGES := $(patsubst %/package.json,%,$(wildcard web/*/package.json))

.PHONY: help run pages tools setup lint test cargo-test generate generated api browser torture torture-tokens bench image

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

run: tools pages ## build and serve on http://localhost:8080
	cargo run --profile $(PROFILE) --bin latchkey -- serve $(ARGS)

tools:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it from https://rustup.rs (1.94 or newer), then run this again."; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing: apt-get install build-essential"; exit 1; }

pages: ## build the web pages, where web/ has any
ifneq ($(PAGES),)
	@command -v npm >/dev/null || { echo "Node is missing. Install Node 20 or newer, or use 'cargo run -- serve' without the pages."; exit 1; }
	@for page in $(PAGES); do (cd $$page && { [ -d node_modules ] || npm ci; } && npm run build) || exit 1; done
endif

setup: tools ## make sure of what the tests need: MariaDB, Chromium, schemathesis
	tests/setup.sh

lint: tools ## format and clippy, warnings are errors
	cargo fmt --all --check
	rustfmt --check benches/hello/src/main.rs
	cargo clippy --workspace --all-targets -- -D warnings

test: setup cargo-test generated api browser ## set up and run every test

cargo-test:
	cargo test --workspace

generate: tools ## write docs/openapi.json and resource/table.*.sql anew
	cargo build --bin latchkey
	$(TEST_BIN) openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	$(TEST_BIN) schema --type sqlite > resource/table.sqlite.sql.new && mv resource/table.sqlite.sql.new resource/table.sqlite.sql
	$(TEST_BIN) schema --type mysql > resource/table.mysql.sql.new && mv resource/table.mysql.sql.new resource/table.mysql.sql

generated: generate ## fail when a generated file is not the committed one
	@git diff --exit-code -- docs/openapi.json resource || { echo "Generated files differ: commit what 'make generate' wrote."; exit 1; }

api: ## property-based tests of the whole API on SQLite and MariaDB
	cargo build --bin latchkey
	tests/schemathesis.sh $(TEST_BIN) sqlite
	tests/schemathesis.sh $(TEST_BIN) mysql

browser: ## Swagger UI in a real Chromium
	cargo build --bin latchkey
	tests/browser/run.sh $(TEST_BIN)

torture: tools ## kill -9 the service under load, ROUNDS=200 times
	ROUNDS=$(or $(ROUNDS),200) cargo test --test it -- crash:: --nocapture

torture-tokens: tools ## kill -9 the service in the midst of refreshes, ROUNDS=500 times, DB=sqlite, mysql or both
	ROUNDS=$(or $(ROUNDS),500) cargo test --test it -- rotation::torture:: $(if $(filter sqlite,$(DB)),--skip ::mysql)$(if $(filter mysql,$(DB)),--skip ::sqlite) --nocapture

bench: tools ## measure; QUICK=1 leaves out the ten million keys, ARGS=--write keeps the table
	load/bench.sh $(ARGS)

image: ## build the container image latchkey
	docker build -t latchkey .
