#!/usr/bin/env bash
# Builds the release binary and a bare actix-web hello, and measures both with wrk. See load/bench.py and
# load/accounts.py --help; CASES=accounts runs the second one alone.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh wrk database
target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --release --locked --bin latchkey
cargo build --release --locked --manifest-path benches/hello/Cargo.toml --target-dir "$target/hello"
for measured in ${CASES:-bench accounts}; do
    python3 "load/$measured.py" --latchkey "$target/release/latchkey" --hello "$target/hello/release/hello" \
        ${QUICK:+--quick} "$@"
done
