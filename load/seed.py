"""Fills a migrated database with devices, app tokens and keys, in SQL, while no server runs on it.

Ten million rows go in quickly because they are made by the database itself in the order of the primary key, and the
secondary indexes are dropped before and made again after. The counters in `device` are those the service would have
kept: revision = number of keys (each was written once), key_count and byte_count over the device's rows.
The change log stays empty, as it is for a device whose old changes were trimmed.
"""

import hashlib
import re
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOW = 1_795_000_000_000  # November 2026, in milliseconds
PAD = "x" * 48
SIZE = len(f'{{"data":"my value","number":000000000,"pad":"{PAD}"}}')


@dataclass(frozen=True)
class Content:
    """How much is in a database: devices, and the keys of each."""

    devices: int
    keys: int


def token(device: int) -> str:
    """The app token of a seeded device."""
    return hashlib.sha256(f"bench token {device}".encode()).hexdigest()


def write_tokens(path: Path, content: Content) -> None:
    """Writes the tokens for the load generator, one a line."""
    path.write_text("".join(f"{token(device)}\n" for device in range(1, content.devices + 1)))


def rows(content: Content):
    """Apps, devices and installs as (table, columns, rows)."""
    devices = range(1, content.devices + 1)
    yield "app", "id, name, developer_name, created_at, updated_at", [(1, "Bench", "Bench", NOW, NOW)]
    yield (
        "device",
        "id, uuid, revision, key_count, byte_count, created_at, updated_at",
        [(d, f"bench-{d:04}", content.keys, content.keys, content.keys * SIZE, NOW, NOW) for d in devices],
    )
    yield (
        "app_install",
        "app_id, device_id, token_hash, token_last4, read_only, note, installed_at, updated_at",
        [(1, d, hashlib.sha256(token(d).encode()).hexdigest(), token(d)[-4:], 0, "bench", NOW, NOW) for d in devices],
    )


def sqlite(path: Path, content: Content) -> None:
    """Seeds a SQLite file."""
    db = sqlite3.connect(path, isolation_level=None)
    # The file is made anew when this fails, so nothing has to survive a crash.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN")
    for table, columns, values in rows(content):
        marks = ", ".join("?" * (columns.count(",") + 1))
        db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)
    indexes = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'kv_store' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        db.execute(f'DROP INDEX "{name}"')
    db.execute(
        f"""
        INSERT INTO kv_store (device_id, "key", value, size, revision, creator_ip, updater_ip, created_at, updated_at)
        WITH RECURSIVE number(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM number WHERE k < {content.keys})
        SELECT d.id, printf('key-%05d', k), printf('{{"data":"my value","number":%09d,"pad":"{PAD}"}}', k), {SIZE}, k,
               '127.0.0.1', '127.0.0.1', {NOW} + k, {NOW} + k
        FROM device d CROSS JOIN number
        """
    )
    for _, sql in indexes:
        db.execute(sql)
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL")
    wrong = db.execute(
        "SELECT count(*) FROM device d JOIN (SELECT device_id, count(*) AS n, sum(size) AS bytes, max(revision) AS last "
        "FROM kv_store GROUP BY device_id) k ON k.device_id = d.id WHERE (n, bytes, last) <> (key_count, byte_count, revision)"
    ).fetchone()[0]
    db.close()
    if wrong:
        raise SystemExit(f"{wrong} devices have wrong counters")


def mysql(run, content: Content) -> None:
    """Seeds a MySQL database; `run` executes SQL there and answers what it prints."""
    for table, columns, values in rows(content):
        text = ", ".join("(" + ", ".join(f"'{v}'" if isinstance(v, str) else str(v) for v in row) + ")" for row in values)
        run(f"INSERT INTO {table} ({columns}) VALUES {text}")
    shown = run("SHOW CREATE TABLE kv_store").replace("\\n", "\n")
    indexes = re.findall(r"^ *(KEY `(\w+)` \(.*\)),?$", shown, re.MULTILINE)
    if content.devices * content.keys > 1_000_000:
        run("ALTER TABLE kv_store " + ", ".join(f"DROP INDEX `{name}`" for _, name in indexes))
    else:
        indexes = []
    run(
        "CREATE TABLE bench_number (n INT PRIMARY KEY) AS SELECT 1 + a.d + b.d * 10 + c.d * 100 + e.d * 1000 AS n FROM "
        + ", ".join(
            f"({' UNION ALL '.join(f'SELECT {digit} AS d' for digit in range(10))}) {name}" for name in "abce"
        )
    )
    step = max(1, 200_000 // content.keys)
    for first in range(1, content.devices + 1, step):
        run(
            f"""
            SET SESSION unique_checks = 0, foreign_key_checks = 0;
            INSERT INTO kv_store (device_id, `key`, value, size, revision, creator_ip, updater_ip, created_at, updated_at)
            SELECT d.id, CONCAT('key-', LPAD(n, 5, '0')),
                   CONCAT('{{"data":"my value","number":', LPAD(n, 9, '0'), ',"pad":"{PAD}"}}'), {SIZE}, n,
                   '127.0.0.1', '127.0.0.1', {NOW} + n, {NOW} + n
            FROM device d JOIN bench_number ON n <= {content.keys}
            WHERE d.id BETWEEN {first} AND {first + step - 1} ORDER BY d.id, n
            """
        )
    run("DROP TABLE bench_number")
    if indexes:
        run("ALTER TABLE kv_store " + ", ".join(f"ADD {definition}" for definition, _ in indexes))
    run("ANALYZE TABLE kv_store, device, app_install")
    wrong = run(
        "SELECT count(*) FROM device d JOIN (SELECT device_id, count(*) AS n, sum(size) AS bytes, max(revision) AS last "
        "FROM kv_store GROUP BY device_id) k ON k.device_id = d.id "
        "WHERE n <> key_count OR bytes <> byte_count OR last <> revision"
    ).strip()
    if wrong != "0":
        raise SystemExit(f"{wrong} devices have wrong counters")


def client(database: str | None):
    """Runs SQL as root on 127.0.0.1:3306 with the MariaDB or MySQL client."""
    from shutil import which

    program = which("mariadb") or which("mysql")
    if not program:
        raise SystemExit("the MariaDB or MySQL client is missing")

    def run(sql: str) -> str:
        command = [program, "--no-defaults", "-h", "127.0.0.1", "-P", "3306", "-u", "root", "-N", "-B"]
        done = subprocess.run(command + ([database] if database else []), input=sql, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"MySQL: {done.stderr.strip()}")
        return done.stdout

    return run
