#!/usr/bin/env python3
"""Measures accounts: serving access tokens, refreshing, and picking what is due; the hello beside them.

The provider of the refreshes is the hello's process: it answers at once, on the same cores. Everything goes through the
API of a running service, the accounts are imported and refreshed for real. See load/bench.py for the rest.
"""

import argparse
import json
import os
import re
import statistics
import time
import urllib.request
from pathlib import Path

import bench
import machine
import seed
from bench import Server, free_port, wrk

SECRET = "a" * 64
SERVED = 10_000
STORED, DUE = 100_000, 1_000
GET_AT, REFRESHES, PICK_MS = 0.50, 1_500, 20


class Accounts(bench.Bench):
    """One run."""

    def __init__(self, options):
        super().__init__(options)
        self.large = []

    def environment(self, kind, name, port):
        env = super().environment(kind, bench.ONE, port)
        env["LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS"] = "true"
        env["LATCHKEY__LOG__LEVEL"] = "debug" if name == "due" else "info"
        env["LATCHKEY__REFRESH__ENABLED"] = "false"
        if kind == "mysql":
            env["LATCHKEY__DATABASE__DATABASE"] = f"latchkey_bench_{name}"
        else:
            env["LATCHKEY__DATABASE__DATABASE"] = str(self.work / f"{name}.db")
        return env

    def start(self, kind, name):
        port = free_port()
        server = Server([self.options.latchkey, "serve"], (port, "/health"), self.log, self.environment(kind, name, port), self.work)
        server.port = port
        return server

    def call(self, server, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Secret": SECRET, "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def fill(self, server, provider, count):
        """A provider, and as many accounts of it, each refreshed once."""
        new = {
            "name": "bench", "token_url": f"http://127.0.0.1:{provider.port}/token", "body_format": "json", "client_id": "c",
            "max_concurrency": 64,
        }
        self.call(server, "POST", "/public-api/providers", new)
        for first in range(1, count + 1, 10_000):
            ids = range(first, min(first + 10_000, count + 1))
            lines = [{"biz_id": f"bench-{n:06}", "refresh_token": f"rt-first-{n}", "provider": "bench"} for n in ids]
            done = self.call(server, "POST", "/public-api/tokens/import", {"format": "json", "content": json.dumps(lines)})
            assert done["created"] == len(lines), done

    def refresh_all(self, server, limit):
        task = self.call(server, "POST", "/public-api/tokens/batch-refresh", {"filter": {"provider": "bench"}})["id"]
        while True:
            state = self.call(server, "GET", f"/public-api/tasks/{task}?limit=1")
            if state["state"] != "running":
                break
            time.sleep(0.2)
        assert state["state"] == "done" and state["done"] >= limit, state

    def database(self, kind, name):
        if kind == "mysql":
            seed.client(None)(f"DROP DATABASE IF EXISTS latchkey_bench_{name}; CREATE DATABASE latchkey_bench_{name}")
            self.mysql_databases.append(f"latchkey_bench_{name}")
        else:
            for suffix in ("", "-wal", "-shm", ".lock"):
                Path(f"{self.work / name}.db{suffix}").unlink(missing_ok=True)

    def execute(self, kind, name, sql):
        if kind == "mysql":
            seed.client(f"latchkey_bench_{name}")(sql)
        else:
            import sqlite3

            with sqlite3.connect(self.work / f"{name}.db") as db:
                db.execute(sql)
            db.close()

    def large_hello(self):
        """The bare server with an answer as large as that of get-at: what is due to size alone."""
        port = free_port()
        with Server([self.options.hello, str(port)], (port, "/"), self.log) as server:
            self.large.append(self.drive(server, port, 32, "large.lua"))

    def measure(self, kind, provider):
        """Rates of get-at and refresh over ten thousand accounts."""
        self.database(kind, "accounts")
        rounds = {"get-at": [], "refresh": []}
        with self.start(kind, "accounts") as server:
            self.fill(server, provider, SERVED)
            self.refresh_all(server, SERVED)
            for _ in range(self.options.rounds):
                for connections in (32, 64):
                    self.hello(connections)
                self.large_hello()
                for name, connections in (("get-at", 32), ("refresh", 64)):
                    run = self.drive(
                        server, server.port, connections, "accounts.lua", ENDPOINT=f"/public-api/{name}",
                        ACCOUNTS=str(SERVED), SECRET=SECRET,
                    )
                    rounds[name].append(run)
                    self.say(f"  {kind} {name}: {run['rate']:.0f}/s, p50 {run['p50']:.2f} ms, p99 {run['p99']:.2f} ms, {run['cpu']:.0f} us/request")
        return rounds

    def due(self, kind, provider):
        """A thousand of a hundred thousand are due: how long it takes to pick them, and to refresh them."""
        self.database(kind, "due")
        picks, jobs = [], []
        with self.start(kind, "due") as server:
            self.fill(server, provider, STORED)
        far = (int(time.time()) + 86_400) * 1000
        for _ in range(self.options.rounds):
            self.execute(kind, "due", f"UPDATE refresh_token SET state = 'ok', access_expires_at = {far} + id, next_refresh_at = {far} + id")
            self.execute(kind, "due", f"UPDATE refresh_token SET next_refresh_at = id, access_expires_at = id WHERE id % {STORED // DUE} = 0")
            with self.start(kind, "due") as server:
                begin = time.perf_counter()
                task = self.call(server, "POST", "/public-api/jobs/refresh-tokens/run", {})["task_id"]
                while (state := self.call(server, "GET", f"/public-api/tasks/{task}"))["state"] == "running":
                    time.sleep(0.01)
                jobs.append(time.perf_counter() - begin)
                assert f"{DUE} refreshed" in json.dumps(state), state
            found = re.findall(r"(\d+) accounts due, picked in (\d+) us", self.log.read_text())
            picks += [int(took) / 1000 for count, took in found if int(count) == DUE]
        self.say(f"  {kind} picking {DUE} of {STORED}: {statistics.median(picks):.1f} ms; the job: {statistics.median(jobs):.2f} s")
        return picks, jobs


def table(run, results):
    """The report in Markdown."""
    middle = statistics.median
    hello = {connections: middle(one["rate"] for one in runs) for connections, runs in run.hellos.items()}
    lines = [f"- {line}" for line in machine.describe()]
    lines.append(f"- {run.options.rounds} rounds of {run.options.seconds} s, {time.strftime('%Y-%m-%d')}; the hello is also the provider")
    lines += ["", "| case | measured | p50 ms | p99 ms | server CPU µs | target |", "|---|--:|--:|--:|--:|--:|"]
    for connections, rate in hello.items():
        lines.append(f"| hello, {connections} connections | {rate:.0f}/s | | | | |")
    large = middle(one["rate"] for one in run.large)
    lines.append(f"| hello that answers 2.5 KB, 32 connections | {large:.0f}/s | | | | |")
    for kind, (rounds, (picks, jobs)) in results.items():
        name = {"sqlite": "SQLite", "mysql": "MySQL"}[kind]
        at, new = ({what: middle(one[what] for one in rounds[case]) for what in ("rate", "p50", "p99", "cpu")} for case in ("get-at", "refresh"))
        share = at["rate"] / hello[32]
        wanted = (f"≥ {GET_AT:.0%} of hello", f"≥ {REFRESHES}/s", f"≤ {PICK_MS} ms") if kind == "sqlite" else ("", "", "")
        missed = [bench.verdict(not want or met) for want, met in zip(wanted, (share >= GET_AT, new["rate"] >= REFRESHES, middle(picks) <= PICK_MS))]
        lines.append(f"| get-at, {name} | {at['rate']:.0f}/s, {share:.0%} of hello{missed[0]}, {at['rate'] / large:.0%} of the large one | {at['p50']:.2f} | {at['p99']:.2f} | {at['cpu']:.0f} | {wanted[0]} |")
        lines.append(f"| refresh, {name} | {new['rate']:.0f}/s{missed[1]} | {new['p50']:.2f} | {new['p99']:.2f} | {new['cpu']:.0f} | {wanted[1]} |")
        lines.append(f"| picking {DUE} due of {STORED} accounts, {name} | {middle(picks):.1f} ms{missed[2]} | | | | {wanted[2]} |")
        lines.append(f"| the job over those {DUE}, {name} | {DUE / middle(jobs):.0f}/s | | | | |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latchkey", required=True, type=os.path.abspath, help="release binary")
    parser.add_argument("--hello", required=True, type=os.path.abspath, help="the yardstick's binary")
    parser.add_argument("--only", choices=["sqlite", "mysql"], help="one database only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of measuring, each")
    parser.add_argument("--warm", type=int, default=2, help="seconds of warming up, each")
    parser.add_argument("--keep", action="store_true", help="keep the filled databases")
    parser.add_argument("--write", action="store_true", help="write the table to docs/PERFORMANCE.md")
    parser.add_argument("--quick", action="store_true", help="as for bench.py; changes nothing here")
    parser.add_argument("--work", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", bench.ROOT / "target"), "bench"))
    run = Accounts(parser.parse_args())
    results = {}
    port = free_port()
    try:
        with Server([run.options.hello, str(port)], (port, "/"), run.work / "provider.log") as provider:
            provider.port = port
            for kind in [run.options.only] if run.options.only else ["sqlite", "mysql"]:
                results[kind] = (run.measure(kind, provider), run.due(kind, provider))
        text = table(run, results)
    finally:
        run.clean()
    print(text)
    if run.options.write:
        bench.write(text, "accounts")


if __name__ == "__main__":
    main()
