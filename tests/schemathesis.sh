#!/usr/bin/env bash
# tests/schemathesis.sh BINARY sqlite|mysql
# Calls every operation of the OpenAPI document with made-up good and bad input, as an admin and as an app. Fails on a
# 5xx that is not documented, on any other undocumented status, and on an answer that is not as its schema says.
# SECONDS_EACH (default 150) bounds the fuzzing.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/server.sh
target="${CARGO_TARGET_DIR:-$PWD/target}"
report="$target/schemathesis-$2"

start_server "$1" "$2"
new_token
install=$(curl -fsS "$URL/kv/_token" -H "Authorization: Bearer $APP_TOKEN" | json id)
echo "schemathesis on $2"
ADMIN_JWT=$(curl -fsS "$URL/auth/login" -H 'Content-Type: application/json' -d '{"username": "admin", "password": "a-password-for-tests"}' | json token)
# Nobody's real endpoint is called with made-up tokens.
for provider in $(curl -fsS "$URL/public-api/providers?limit=200" -H "X-API-Secret: $API_SECRET" | python3 -c 'import json, sys; print(*(p["name"] for p in json.load(sys.stdin)["items"]))'); do
    curl -fsS -o /dev/null -X PATCH "$URL/public-api/providers/$provider" -H "X-API-Secret: $API_SECRET" \
        -H 'Content-Type: application/json' -d '{"token_url": "https://provider.invalid/token"}'
done
export URL ADMIN_JWT API_SECRET APP_TOKEN APP_ID DEVICE_UUID INSTALL_ID="$install"
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$PWD/tests/schemathesis"
(cd "$WORK" && "$target/venv/bin/schemathesis" --config-file "$OLDPWD/tests/schemathesis/schemathesis.toml" \
    run "$URL/openapi.json" --max-time "${SECONDS_EACH:-150}" --report junit --report-dir "$report" --no-color)
kill -0 "$SERVER"
curl -fsS -o /dev/null "$URL/kv/_token" -H "Authorization: Bearer $APP_TOKEN" || { echo "the run lost its own token" >&2; exit 1; }
if grep -n 'panicked' "$WORK/log"; then echo "the service panicked" >&2; exit 1; fi
