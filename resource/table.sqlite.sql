-- Facts about this database itself: when it was initialised, fingerprints of the secrets it belongs to.
CREATE TABLE "meta" (
    "name"  TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- Data keys, each sealed under the master key. The newest active one seals; the others still open.
CREATE TABLE "sealing_key" (
    "id"         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sealed_key" TEXT    NOT NULL, -- base64 of nonce and AES-256-GCM box
    "created_at" INTEGER NOT NULL
);

-- People who sign in to the web admin.
CREATE TABLE "admin_user" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "username"      TEXT    NOT NULL UNIQUE,
    "password_hash" TEXT    NOT NULL, -- Argon2id, PHC string
    "created_at"    INTEGER NOT NULL,
    "updated_at"    INTEGER NOT NULL
);

-- A signed-in session; its id is the token's jti, so ending the row ends the token.
CREATE TABLE "admin_session" (
    "id"            TEXT    NOT NULL PRIMARY KEY, -- UUID v4
    "admin_user_id" INTEGER NOT NULL REFERENCES "admin_user" ("id") ON DELETE CASCADE,
    "ip"            TEXT    NOT NULL,
    "created_at"    INTEGER NOT NULL,
    "expires_at"    INTEGER NOT NULL
);
CREATE INDEX "admin_session_user" ON "admin_session" ("admin_user_id");
CREATE INDEX "admin_session_expires" ON "admin_session" ("expires_at");

-- Named secrets with scopes for gateways and scripts; the secret itself is never stored.
CREATE TABLE "api_secret" (
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
CREATE TABLE "attempt" (
    "scope"        TEXT    NOT NULL, -- admin-login, device-password, ...
    "subject"      TEXT    NOT NULL, -- SHA-256 of the name that was tried
    "address"      TEXT    NOT NULL, -- IP address, or * for all of them
    "window_start" INTEGER NOT NULL,
    "failures"     INTEGER NOT NULL,
    "locked_until" INTEGER,
    "succeeded_at" INTEGER, -- the last good one
    PRIMARY KEY ("scope", "subject", "address")
) WITHOUT ROWID;
CREATE INDEX "attempt_window" ON "attempt" ("window_start");

-- Every write by an admin.
CREATE TABLE "audit_event" (
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
CREATE INDEX "audit_event_entity" ON "audit_event" ("entity", "entity_id", "id");
CREATE INDEX "audit_event_actor" ON "audit_event" ("actor", "id");
CREATE INDEX "audit_event_created" ON "audit_event" ("created_at");

-- First answers of requests that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE "idempotency_key" (
    "id"           TEXT    NOT NULL PRIMARY KEY, -- SHA-256 of caller, method, path and key
    "request_hash" TEXT    NOT NULL, -- SHA-256 of the body
    "mark"         TEXT    NOT NULL, -- who is working on it
    "status"       INTEGER, -- null while the first request is running
    "answer"       TEXT, -- sealed body and headers
    "created_at"   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX "idempotency_key_created" ON "idempotency_key" ("created_at");

-- What an admin changed at run time; it outranks the configuration.
CREATE TABLE "setting" (
    "name"       TEXT    NOT NULL PRIMARY KEY,
    "value"      TEXT    NOT NULL, -- JSON
    "updated_at" INTEGER NOT NULL
) WITHOUT ROWID;

-- Work that goes on in the background after its request was answered.
CREATE TABLE "task" (
    "id"          TEXT    NOT NULL PRIMARY KEY, -- UUID v7
    "kind"        TEXT    NOT NULL,
    "status"      TEXT    NOT NULL, -- running, done, failed
    "detail"      TEXT, -- result or reason
    "created_at"  INTEGER NOT NULL,
    "updated_at"  INTEGER NOT NULL,
    "finished_at" INTEGER
) WITHOUT ROWID;
CREATE INDEX "task_created" ON "task" ("created_at", "id");

-- What runs on a schedule.
CREATE TABLE "job" (
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
CREATE TABLE "lease" (
    "name"       TEXT    NOT NULL PRIMARY KEY,
    "holder"     TEXT    NOT NULL,
    "fence"      INTEGER NOT NULL,
    "expires_at" INTEGER NOT NULL
) WITHOUT ROWID;

-- Programs that may ask a device for access.
CREATE TABLE "app" (
    "id"             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name"           TEXT    NOT NULL,
    "description"    TEXT,
    "developer_name" TEXT    NOT NULL,
    "developer_link" TEXT,
    "homepage_link"  TEXT,
    "icon_hash"      TEXT,
    "repository_url" TEXT,
    "metadata"       TEXT, -- any JSON
    "created_at"     INTEGER NOT NULL,
    "updated_at"     INTEGER NOT NULL
);
CREATE INDEX "app_created" ON "app" ("created_at", "id");

-- A person's or classroom's installation.
CREATE TABLE "device" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "uuid"          TEXT    NOT NULL UNIQUE, -- 1 to 191 printable characters, compared byte by byte
    "name"          TEXT,
    "password_hash" TEXT, -- Argon2id, PHC string; null: no password
    "password_hint" TEXT,
    "revision"      INTEGER NOT NULL DEFAULT 0, -- of the last change of its keys
    "key_count"     INTEGER NOT NULL DEFAULT 0, -- rows in kv_store, expired ones included
    "byte_count"    INTEGER NOT NULL DEFAULT 0, -- sum of their sizes
    "created_at"    INTEGER NOT NULL,
    "updated_at"    INTEGER NOT NULL
);
CREATE INDEX "device_created" ON "device" ("created_at", "id");

-- The grant of one device to one app.
CREATE TABLE "app_install" (
    "id"           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "app_id"       INTEGER NOT NULL REFERENCES "app" ("id") ON DELETE CASCADE,
    "device_id"    INTEGER NOT NULL REFERENCES "device" ("id") ON DELETE CASCADE,
    "token_hash"   TEXT    NOT NULL UNIQUE, -- SHA-256 of the app token, 64 hex digits
    "token_last4"  TEXT    NOT NULL,
    "read_only"    INTEGER NOT NULL,
    "note"         TEXT    NOT NULL,
    "installed_at" INTEGER NOT NULL,
    "updated_at"   INTEGER NOT NULL,
    "last_used_at" INTEGER
);
CREATE INDEX "app_install_app" ON "app_install" ("app_id", "installed_at", "id");
CREATE INDEX "app_install_device" ON "app_install" ("device_id", "installed_at", "id");

-- The values. Expired rows count as absent until the purge job removes them.
CREATE TABLE "kv_store" (
    "device_id"  INTEGER NOT NULL REFERENCES "device" ("id") ON DELETE CASCADE,
    "key"        TEXT    NOT NULL, -- 1 to 191 characters, compared byte by byte
    "value"      TEXT    NOT NULL, -- JSON text, as it was sent
    "size"       INTEGER NOT NULL, -- bytes of value
    "revision"   INTEGER NOT NULL,
    "expires_at" INTEGER,
    "creator_ip" TEXT    NOT NULL,
    "updater_ip" TEXT    NOT NULL,
    "created_at" INTEGER NOT NULL,
    "updated_at" INTEGER NOT NULL,
    PRIMARY KEY ("device_id", "key")
);
CREATE INDEX "kv_store_created" ON "kv_store" ("device_id", "created_at", "key");
CREATE INDEX "kv_store_updated" ON "kv_store" ("device_id", "updated_at", "key");
CREATE INDEX "kv_store_size" ON "kv_store" ("device_id", "size", "key");
CREATE INDEX "kv_store_device_expires" ON "kv_store" ("device_id", "expires_at") WHERE "expires_at" IS NOT NULL;
CREATE INDEX "kv_store_expires" ON "kv_store" ("expires_at") WHERE "expires_at" IS NOT NULL;

-- The last changes of each device, for /kv/_changes.
CREATE TABLE "kv_change" (
    "device_id"  INTEGER NOT NULL REFERENCES "device" ("id") ON DELETE CASCADE,
    "revision"   INTEGER NOT NULL,
    "key"        TEXT    NOT NULL,
    "deleted"    INTEGER NOT NULL,
    "changed_at" INTEGER NOT NULL,
    PRIMARY KEY ("device_id", "revision")
) WITHOUT ROWID;

-- Processes that serve this database, each with its last sign of life. Empty on SQLite, where a lock on the file decides.
CREATE TABLE "replica" (
    "instance"   TEXT    NOT NULL PRIMARY KEY, -- UUID of the data folder
    "life"       TEXT    NOT NULL, -- UUID of the process: another one at every start
    "host"       TEXT    NOT NULL,
    "pid"        INTEGER NOT NULL,
    "has_redis"  INTEGER NOT NULL, -- whether it shares its counts with others
    "started_at" INTEGER NOT NULL, -- by the database's clock
    "beat_at"    INTEGER NOT NULL -- last sign of life, by the database's clock
) WITHOUT ROWID;
