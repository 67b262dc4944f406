#!/usr/bin/env bash
# tests/setup.sh [database|redis|chromium|playwright|schemathesis|wrk]...
# Makes sure of what the tests need (all but wrk, or the parts that are named) and leaves alone what is there:
#   - MariaDB or MySQL on 127.0.0.1:3306, user root without a password. Where nothing listens there, a server of the
#     tests' own is started with its data under target/mariadb.
#   - Redis on 127.0.0.1:6379 without a password, in the same way with its data under target/redis; and the program
#     redis-server, which some tests start themselves
#   - Chromium and playwright-core for the Swagger UI test
#   - schemathesis in target/venv
#   - wrk, which `make bench` drives the service with
# On Debian, as root, missing packages are installed; elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
mkdir -p "$target"

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# install PACKAGE...: Debian packages, or the advice to install them
install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $*"
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends "$@" >"$target/apt.log" 2>&1 \
            || { apt-get update >>"$target/apt.log" 2>&1 && apt-get install -y --no-install-recommends "$@" >>"$target/apt.log" 2>&1; } \
            || { tail -n 20 "$target/apt.log" >&2; fail "apt-get could not install $*"; }
    else
        fail "please install: $*"
    fi
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/${1:-3306}") 2>/dev/null; }
sql() { "$client" --no-defaults -h 127.0.0.1 -P 3306 -u root -N -B -e "$1" 2>/dev/null; }
pick() { for name in "$@"; do command -v "$name" && return; [ -x "/usr/sbin/$name" ] && { echo "/usr/sbin/$name"; return; }; done; return 1; }

need_database() {
    if ! listens; then
        pick mariadbd mysqld >/dev/null || install mariadb-server mariadb-client
        listens || start_database
    fi
    client=$(pick mariadb mysql) || { install mariadb-client; client=$(pick mariadb mysql); }
    version=$(sql 'SELECT VERSION()') \
        || fail "the server on 127.0.0.1:3306 does not let root in without a password. Stop it while the tests run: they then start one of their own."
    say "database $version on 127.0.0.1:3306"
}

start_database() {
    local data="$target/mariadb" server me
    server=$(pick mariadbd) || fail "mariadbd is missing: please install mariadb-server"
    me=$(id -un)
    if [ ! -d "$data/mysql" ]; then
        rm -rf "$data" && mkdir -p "$data"
        mariadb-install-db --no-defaults --user="$me" --datadir="$data" --auth-root-authentication-method=normal \
            --skip-test-db >"$target/mariadb.log" 2>&1 || { tail "$target/mariadb.log" >&2; fail "mariadb-install-db failed"; }
    fi
    say "starting mariadbd with its data in $data"
    setsid "$server" --no-defaults --user="$me" --datadir="$data" --socket="$data/socket" --pid-file="$data/pid" \
        --bind-address=127.0.0.1 --port=3306 --max-connections=500 --innodb-buffer-pool-size=512M \
        >>"$target/mariadb.log" 2>&1 </dev/null &
    for _ in $(seq 300); do listens && return; sleep 0.1; done
    tail "$target/mariadb.log" >&2
    fail "mariadbd did not start"
}

need_redis() {
    local server data="$target/redis"
    # Debian's package starts a server of its own where there is an init system; either will do.
    pick redis-server >/dev/null || install redis-server
    server=$(pick redis-server) || fail "redis-server is missing: please install it"
    if ! listens 6379; then
        mkdir -p "$data"
        say "starting redis-server with its data in $data"
        setsid "$server" --bind 127.0.0.1 --port 6379 --save "" --appendonly no --dir "$data" --daemonize no \
            --pidfile "$data/pid" >>"$target/redis.log" 2>&1 </dev/null &
        for _ in $(seq 100); do listens 6379 && break; sleep 0.1; done
        listens 6379 || { tail "$target/redis.log" >&2; fail "redis-server did not start"; }
    fi
    [ "$(ask_redis PING)" = "+PONG" ] \
        || fail "the server on 127.0.0.1:6379 is no Redis, or asks for a password. Stop it while the tests run: they then start one of their own."
    say "Redis on 127.0.0.1:6379"
}

ask_redis() { (exec 3<>/dev/tcp/127.0.0.1/6379 && printf '%s\r\n' "$1" >&3 && head -n 1 <&3 | tr -d '\r') 2>/dev/null; }

need_chromium() {
    pick chromium chromium-browser google-chrome >/dev/null || install chromium
    say "$(pick chromium chromium-browser google-chrome)"
}

need_playwright() {
    command -v npm >/dev/null || install nodejs npm
    mkdir -p "$target/browser"
    if ! cmp -s tests/browser/package-lock.json "$target/browser/package-lock.json" || [ ! -d "$target/browser/node_modules" ]; then
        cp tests/browser/package.json tests/browser/package-lock.json "$target/browser/"
        (cd "$target/browser" && npm ci --no-audit --no-fund --loglevel=error)
    fi
    say "playwright-core in $target/browser"
}

need_schemathesis() {
    local wanted
    wanted=$(cat tests/requirements.txt)
    if [ "$(cat "$target/venv/installed" 2>/dev/null || true)" != "$wanted" ]; then
        command -v python3 >/dev/null || install python3 python3-venv
        rm -rf "$target/venv"
        python3 -m venv "$target/venv" 2>/dev/null || { install python3-venv; python3 -m venv "$target/venv"; }
        "$target/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
        echo "$wanted" >"$target/venv/installed"
    fi
    say "$("$target/venv/bin/schemathesis" --version)"
}

need_wrk() {
    pick wrk >/dev/null || install wrk
    say "$(pick wrk)"
}

command -v curl >/dev/null || install curl
parts=("$@")
[ $# -gt 0 ] || parts=(database redis chromium playwright schemathesis)
for part in "${parts[@]}"; do "need_$part"; done
