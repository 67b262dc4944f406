#!/usr/bin/env bash
# Builds the release binary and a bare actix-web hello, and measures both with wrk. See load/bench.py --help.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh wrk database
target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --release --locked --bin latchkey
cargo build --release --locked --manifest-path benches/hello/Cargo.toml --target-dir "$target/hello"
exec python3 load/bench.py --latchkey "$target/release/latchkey" --hello "$target/hello/release/hello" \
    ${QUICK:+--quick} "$@"
