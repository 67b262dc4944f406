-- Facts about this database itself: when it was initialised, fingerprints of the secrets it belongs to.
CREATE TABLE "{p}meta" (
    "name"  TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- Data keys, each sealed under the master key. The newest active one seals; the others still open.
CREATE TABLE "{p}sealing_key" (
    "id"         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sealed_key" TEXT    NOT NULL, -- base64 of nonce and AES-256-GCM box
    "created_at" INTEGER NOT NULL
);

-- People who sign in to the web admin.
CREATE TABLE "{p}admin_user" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "username"      TEXT    NOT NULL UNIQUE,
    "password_hash" TEXT    NOT NULL, -- Argon2id, PHC string
    "created_at"    INTEGER NOT NULL,
    "updated_at"    INTEGER NOT NULL
);

-- A signed-in session; its id is the token's jti, so ending the row ends the token.
CREATE TABLE "{p}admin_session" (
    "id"            TEXT    NOT NULL PRIMARY KEY, -- UUID v4
    "admin_user_id" INTEGER NOT NULL REFERENCES "{p}admin_user" ("id") ON DELETE CASCADE,
    "ip"            TEXT    NOT NULL,
    "created_at"    INTEGER NOT NULL,
    "expires_at"    INTEGER NOT NULL
);
CREATE INDEX "{p}admin_session_user" ON "{p}admin_session" ("admin_user_id");
CREATE INDEX "{p}admin_session_expires" ON "{p}admin_session" ("expires_at");

-- Named secrets with scopes for gateways and scripts; the secret itself is never stored.
CREATE TABLE "{p}api_secret" (
    "id"           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name"         TEXT    NOT NULL UNIQUE,
    "secret_hash"  TEXT    NOT NULL UNIQUE, -- SHA-256, 64 hex digits
    "last4"        TEXT    NOT NULL,
    "scopes"       TEXT    NOT NULL, -- names, separated by a blank
    "expires_at"   INTEGER,
    "revoked_at"   INTEGER,
    "last_used_at" INTEGER,
    "created_at"   INTEGER NOT NULL,
    "updated_at"   INTEGER NOT NULL
);

-- Tries at a password, counted before it is looked at, so that parallel guesses cannot slip past the limit.
CREATE TABLE "{p}attempt" (
    "scope"        TEXT    NOT NULL, -- admin-login, device-password, ...
    "subject"      TEXT    NOT NULL, -- SHA-256 of the name that was tried
    "address"      TEXT    NOT NULL, -- IP address, or * for all of them
    "window_start" INTEGER NOT NULL,
    "failures"     INTEGER NOT NULL,
    "locked_until" INTEGER,
    "succeeded_at" INTEGER, -- the last good one
    PRIMARY KEY ("scope", "subject", "address")
) WITHOUT ROWID;
CREATE INDEX "{p}attempt_window" ON "{p}attempt" ("window_start");

-- Every write by an admin.
CREATE TABLE "{p}audit_event" (
    "id"         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "actor"      TEXT    NOT NULL,
    "action"     TEXT    NOT NULL,
    "entity"     TEXT    NOT NULL,
    "entity_id"  TEXT    NOT NULL,
    "changes"    TEXT    NOT NULL, -- JSON object without secret values
    "ip"         TEXT    NOT NULL,
    "request_id" TEXT    NOT NULL,
    "created_at" INTEGER NOT NULL
);
CREATE INDEX "{p}audit_event_entity" ON "{p}audit_event" ("entity", "entity_id", "id");
CREATE INDEX "{p}audit_event_actor" ON "{p}audit_event" ("actor", "id");
CREATE INDEX "{p}audit_event_created" ON "{p}audit_event" ("created_at");

-- First answers of requests that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE "{p}idempotency_key" (
    "id"           TEXT    NOT NULL PRIMARY KEY, -- SHA-256 of caller, method, path and key
    "request_hash" TEXT    NOT NULL, -- SHA-256 of the body
    "mark"         TEXT    NOT NULL, -- who is working on it
    "status"       INTEGER, -- null while the first request is running
    "answer"       TEXT, -- sealed body and headers
    "created_at"   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX "{p}idempotency_key_created" ON "{p}idempotency_key" ("created_at");

-- What an admin changed at run time; it outranks the configuration.
CREATE TABLE "{p}setting" (
    "name"       TEXT    NOT NULL PRIMARY KEY,
    "value"      TEXT    NOT NULL, -- sealed where it is a list of proxies, else JSON
    "updated_at" INTEGER NOT NULL
) WITHOUT ROWID;

-- Work that goes on in the background after its request was answered.
CREATE TABLE "{p}task" (
    "id"          TEXT    NOT NULL PRIMARY KEY, -- UUID v7
    "kind"        TEXT    NOT NULL,
    "status"      TEXT    NOT NULL, -- running, done, failed
    "detail"      TEXT, -- result or reason
    "total"       INTEGER NOT NULL DEFAULT 0, -- how many items it has; 0: it is done as a whole
    "done"        INTEGER NOT NULL DEFAULT 0, -- how many of them are over
    "created_at"  INTEGER NOT NULL,
    "updated_at"  INTEGER NOT NULL,
    "finished_at" INTEGER
) WITHOUT ROWID;
CREATE INDEX "{p}task_created" ON "{p}task" ("created_at", "id");

-- The items of a task that is done one by one, and how each ended.
CREATE TABLE "{p}task_item" (
    "task_id" TEXT    NOT NULL REFERENCES "{p}task" ("id") ON DELETE CASCADE,
    "nth"     INTEGER NOT NULL, -- from 0, in the order they are done
    "subject" INTEGER NOT NULL, -- id of what is worked on
    "status"  INTEGER, -- HTTP status of its outcome; null: waits
    "code"    TEXT, -- of the problem, if there was one
    PRIMARY KEY ("task_id", "nth")
) WITHOUT ROWID;

-- What runs on a schedule.
CREATE TABLE "{p}job" (
    "name"             TEXT    NOT NULL PRIMARY KEY,
    "schedule"         TEXT, -- null: as configured
    "enabled"          INTEGER, -- null: as configured
    "last_started_at"  INTEGER,
    "last_finished_at" INTEGER,
    "last_status"      TEXT, -- ok, failed, panicked
    "last_result"      TEXT,
    "next_run_at"      INTEGER,
    "updated_at"       INTEGER NOT NULL
) WITHOUT ROWID;

-- Exclusive rights of limited duration. The fence grows with every new holder, so a late one can be told.
CREATE TABLE "{p}lease" (
    "name"       TEXT    NOT NULL PRIMARY KEY,
    "holder"     TEXT    NOT NULL,
    "fence"      INTEGER NOT NULL,
    "expires_at" INTEGER NOT NULL
) WITHOUT ROWID;
