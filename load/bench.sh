#!/usr/bin/env bash
# Builds the release binary and a bare actix-web hello, and measures both with wrk. See load/bench.py --help.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh wrk database
cargo build --release --bin latchkey
hello=$(cargo bench --no-run --bench hello --message-format=json 2>/dev/null |
    python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["name"] == "hello"][-1])')
exec python3 load/bench.py --latchkey "${CARGO_TARGET_DIR:-target}/release/latchkey" --hello "$hello" \
    ${QUICK:+--quick} "$@"
