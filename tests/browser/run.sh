#!/usr/bin/env bash
# tests/browser/run.sh BINARY
# Opens Swagger UI in Chromium, authorizes as an app and as an admin, and tries operations out.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/server.sh
target="${CARGO_TARGET_DIR:-$PWD/target}"

start_server "$1" sqlite
new_token
curl -fsS -o /dev/null "$URL/kv/greeting" -H "Authorization: Bearer $APP_TOKEN" -H 'Content-Type: application/json' -d '"hello from the test"'
export URL API_SECRET APP_TOKEN WORK NODE_PATH="$target/browser/node_modules"
timeout 120 node tests/browser/swagger.js
