# Sourced by the test scripts: a Latchkey of their own, on a free port, with its own database, gone afterwards.
#
#   start_server BINARY sqlite|mysql [NAME=VALUE...]   sets URL, API_SECRET, WORK (a scratch directory), SERVER
#   new_token                                          sets APP_ID, DEVICE_UUID, APP_TOKEN
#   json FIELD                                         reads one field of a JSON object from standard input

WORK=$(mktemp -d)
SERVER=
DATABASE=

json() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
random_hex() { python3 -c 'import secrets; print(secrets.token_hex(32))'; }
mysql_root() { "$(command -v mariadb || command -v mysql)" --no-defaults -h 127.0.0.1 -P 3306 -u root -e "$1"; }

finish() {
    local status=$?
    trap - EXIT
    if [ -n "$SERVER" ]; then
        kill "$SERVER" 2>/dev/null && wait "$SERVER" 2>/dev/null
        # What the service said matters when something failed.
        [ "$status" = 0 ] || { echo "--- the last of the service's log ($1)"; grep -v ' 2[0-9][0-9] ' "$WORK/log" | tail -n 40; } >&2
    fi
    [ -z "$DATABASE" ] || mysql_root "DROP DATABASE IF EXISTS \`$DATABASE\`"
    rm -rf "$WORK"
    exit "$status"
}
trap 'finish "$WORK/log"' EXIT
trap 'exit 130' INT TERM

start_server() {
    local binary kind port
    binary=$(realpath "$1") kind=$2
    shift 2
    port=$(free_port)
    API_SECRET=$(random_hex)
    URL="http://127.0.0.1:$port"
    local -a settings=(
        LATCHKEY__SERVER__HOST=127.0.0.1 "LATCHKEY__SERVER__PORT=$port"
        "LATCHKEY__AUTH__API_SECRET=$API_SECRET" "LATCHKEY__AUTH__JWT_SECRET=$(random_hex)"
        LATCHKEY__AUTH__PASSWORD=a-password-for-tests "LATCHKEY__SECURITY__MASTER_KEY=$(random_hex)"
        LATCHKEY__KV__RATE_READ=0 LATCHKEY__KV__RATE_WRITE=0 LATCHKEY__KV__RATE_DELETE=0 LATCHKEY__KV__RATE_BATCH=0
        LATCHKEY__KV__RATE_ADDRESS=0
    )
    if [ "$kind" = mysql ]; then
        DATABASE="latchkey_script_$$"
        mysql_root "CREATE DATABASE \`$DATABASE\`"
        settings+=(LATCHKEY__DATABASE__TYPE=mysql LATCHKEY__DATABASE__HOST=127.0.0.1 LATCHKEY__DATABASE__PORT=3306
            LATCHKEY__DATABASE__USER=root "LATCHKEY__DATABASE__DATABASE=$DATABASE")
    else
        settings+=("LATCHKEY__DATABASE__DATABASE=$WORK/latchkey.db")
    fi
    # In a directory of its own, so that no config/config.yml of the working tree is read.
    (cd "$WORK" && exec env "${settings[@]}" "$@" "$binary" serve) >"$WORK/log" 2>&1 &
    SERVER=$!
    for _ in $(seq 300); do
        curl -fs -o /dev/null "$URL/ready" && return
        kill -0 "$SERVER" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$WORK/log" >&2
    echo "the service did not start" >&2
    return 1
}

new_token() {
    local answer
    answer=$(curl -fsS "$URL/public-api/apps" -H "X-API-Secret: $API_SECRET" -H 'Content-Type: application/json' \
        -d '{"name": "Test app", "developer_name": "Tests"}')
    APP_ID=$(json id <<<"$answer")
    DEVICE_UUID="device-of-the-tests"
    answer=$(curl -fsS "$URL/apps/$APP_ID/authorize" -H 'Content-Type: application/json' -d "{\"deviceUuid\": \"$DEVICE_UUID\"}")
    APP_TOKEN=$(json token <<<"$answer")
}
