-- Programs that may ask a device for access.
CREATE TABLE "{p}app" (
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
CREATE INDEX "{p}app_created" ON "{p}app" ("created_at", "id");

-- A person's or classroom's installation.
CREATE TABLE "{p}device" (
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
CREATE INDEX "{p}device_created" ON "{p}device" ("created_at", "id");

-- The grant of one device to one app.
CREATE TABLE "{p}app_install" (
    "id"           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "app_id"       INTEGER NOT NULL REFERENCES "{p}app" ("id") ON DELETE CASCADE,
    "device_id"    INTEGER NOT NULL REFERENCES "{p}device" ("id") ON DELETE CASCADE,
    "token_hash"   TEXT    NOT NULL UNIQUE, -- SHA-256 of the app token, 64 hex digits
    "token_last4"  TEXT    NOT NULL,
    "read_only"    INTEGER NOT NULL,
    "note"         TEXT    NOT NULL,
    "installed_at" INTEGER NOT NULL,
    "updated_at"   INTEGER NOT NULL,
    "last_used_at" INTEGER
);
CREATE INDEX "{p}app_install_app" ON "{p}app_install" ("app_id", "installed_at", "id");
CREATE INDEX "{p}app_install_device" ON "{p}app_install" ("device_id", "installed_at", "id");

-- The values. Expired rows count as absent until the purge job removes them.
CREATE TABLE "{p}kv_store" (
    "device_id"  INTEGER NOT NULL REFERENCES "{p}device" ("id") ON DELETE CASCADE,
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
CREATE INDEX "{p}kv_store_created" ON "{p}kv_store" ("device_id", "created_at", "key");
CREATE INDEX "{p}kv_store_updated" ON "{p}kv_store" ("device_id", "updated_at", "key");
CREATE INDEX "{p}kv_store_size" ON "{p}kv_store" ("device_id", "size", "key");
CREATE INDEX "{p}kv_store_device_expires" ON "{p}kv_store" ("device_id", "expires_at") WHERE "expires_at" IS NOT NULL;
CREATE INDEX "{p}kv_store_expires" ON "{p}kv_store" ("expires_at") WHERE "expires_at" IS NOT NULL;

-- The last changes of each device, for /kv/_changes.
CREATE TABLE "{p}kv_change" (
    "device_id"  INTEGER NOT NULL REFERENCES "{p}device" ("id") ON DELETE CASCADE,
    "revision"   INTEGER NOT NULL,
    "key"        TEXT    NOT NULL,
    "deleted"    INTEGER NOT NULL,
    "changed_at" INTEGER NOT NULL,
    PRIMARY KEY ("device_id", "revision")
) WITHOUT ROWID;
