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
    "value"      TEXT    NOT NULL, -- sealed where it is a list of proxies, else JSON
    "updated_at" INTEGER NOT NULL
) WITHOUT ROWID;

-- Work that goes on in the background after its request was answered.
CREATE TABLE "task" (
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
CREATE INDEX "task_created" ON "task" ("created_at", "id");

-- The items of a task that is done one by one, and how each ended.
CREATE TABLE "task_item" (
    "task_id" TEXT    NOT NULL REFERENCES "task" ("id") ON DELETE CASCADE,
    "nth"     INTEGER NOT NULL, -- from 0, in the order they are done
    "subject" INTEGER NOT NULL, -- id of what is worked on
    "status"  INTEGER, -- HTTP status of its outcome; null: waits
    "code"    TEXT, -- of the problem, if there was one
    PRIMARY KEY ("task_id", "nth")
) WITHOUT ROWID;

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

-- Where refresh tokens are exchanged.
CREATE TABLE "provider" (
    "id"                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name"               TEXT    NOT NULL UNIQUE, -- lower-case letters, digits, hyphens
    "token_url"          TEXT    NOT NULL,
    "body_format"        TEXT    NOT NULL, -- json, form
    "auth_method"        TEXT    NOT NULL, -- body, basic: how client_secret is sent
    "client_id"          TEXT, -- of accounts that name none
    "client_secret"      TEXT, -- sealed
    "extra_params"       TEXT, -- sealed JSON object: more members of the body
    "headers"            TEXT, -- sealed JSON object
    "expires_in_default" INTEGER NOT NULL, -- seconds, where an answer tells no expiry
    "refresh_margin_s"   INTEGER, -- null: as the settings say
    "keepalive_days"     INTEGER, -- refresh at least that often
    "timeout_ms"         INTEGER, -- null: as the settings say
    "max_concurrency"    INTEGER, -- calls at once; null: as the settings say
    "min_interval_ms"    INTEGER, -- between two calls; null: as the settings say
    "rotates"            INTEGER NOT NULL, -- whether a refresh ends the old refresh token
    "error_map"          TEXT    NOT NULL, -- JSON object: error code to failure class
    "state"              TEXT    NOT NULL, -- active, paused
    "paused_reason"      TEXT,
    "version"            INTEGER NOT NULL DEFAULT 0, -- moves with every edit
    "created_at"         INTEGER NOT NULL,
    "updated_at"         INTEGER NOT NULL
);

-- Accounts: a refresh token and what it gives.
CREATE TABLE "refresh_token" (
    "id"                     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "biz_id"                 TEXT    NOT NULL UNIQUE, -- 1 to 191 characters, compared byte by byte
    "provider"               TEXT    NOT NULL, -- name of the provider
    "email"                  TEXT COLLATE NOCASE,
    "user_name"              TEXT COLLATE NOCASE,
    "account_type"           TEXT, -- free, plus, pro, team
    "account_id"             TEXT, -- of the provider, from its tokens
    "refresh_token"          TEXT    NOT NULL, -- sealed
    "refresh_token_hash"     TEXT    NOT NULL UNIQUE, -- SHA-256, 64 hex digits
    "refresh_token_last6"    TEXT    NOT NULL,
    "previous_refresh_token" TEXT, -- sealed
    "access_token"           TEXT, -- sealed
    "id_token"               TEXT, -- sealed
    "access_expires_at"      INTEGER,
    "client_id"              TEXT, -- null: that of the provider
    "proxy"                  TEXT, -- sealed URL; null: as the settings choose
    "tag"                    TEXT COLLATE NOCASE,
    "memo"                   TEXT,
    "enabled"                INTEGER NOT NULL,
    "state"                  TEXT    NOT NULL, -- new, ok, failing, dead, uncertain
    "failure_class"          TEXT,
    "failure_detail"         TEXT, -- never a token
    "failure_count"          INTEGER NOT NULL DEFAULT 0, -- failures in a row
    "dead_hash"              TEXT, -- of the refresh token that was refused for good
    "retry_after"            INTEGER, -- no earlier attempt: the provider said so
    "last_refresh_at"        INTEGER, -- last success
    "next_refresh_at"        INTEGER, -- null: not due by itself
    "version"                INTEGER NOT NULL DEFAULT 0, -- moves with every new token
    "lease_owner"            TEXT, -- instance that refreshes
    "lease_epoch"            INTEGER NOT NULL DEFAULT 0, -- moves with every lease
    "lease_until"            INTEGER,
    "created_at"             INTEGER NOT NULL,
    "updated_at"             INTEGER NOT NULL
);
CREATE INDEX "refresh_token_due" ON "refresh_token" ("enabled", "next_refresh_at", "id");
CREATE INDEX "refresh_token_email" ON "refresh_token" ("email", "id");
CREATE INDEX "refresh_token_created" ON "refresh_token" ("created_at", "id");
CREATE INDEX "refresh_token_expires" ON "refresh_token" ("access_expires_at", "id");
CREATE INDEX "refresh_token_provider" ON "refresh_token" ("provider", "id");
CREATE INDEX "refresh_token_state" ON "refresh_token" ("state");
CREATE INDEX "refresh_token_lease" ON "refresh_token" ("lease_owner");

-- What happened to an account.
CREATE TABLE "refresh_event" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "token_id"      INTEGER NOT NULL REFERENCES "refresh_token" ("id") ON DELETE CASCADE,
    "kind"          TEXT    NOT NULL, -- started, succeeded, failed, uncertain, dead, recovered, created, edited, imported, revealed
    "cause"         TEXT    NOT NULL, -- api, admin, job, batch, serve, replay
    "attempt"       TEXT, -- joins a start with its end
    "token_hash"    TEXT, -- of the refresh token that is used
    "open"          INTEGER, -- 1 while a started attempt has no end
    "lease_epoch"   INTEGER,
    "instance"      TEXT,
    "failure_class" TEXT,
    "detail"        TEXT, -- never a token
    "duration_ms"   INTEGER,
    "created_at"    INTEGER NOT NULL
);
CREATE INDEX "refresh_event_token" ON "refresh_event" ("token_id", "id");
CREATE INDEX "refresh_event_open" ON "refresh_event" ("open", "token_id");
CREATE INDEX "refresh_event_created" ON "refresh_event" ("created_at");
CREATE INDEX "refresh_event_spent" ON "refresh_event" ("token_hash") WHERE "token_hash" IS NOT NULL;

-- Where fresh access tokens are pushed.
CREATE TABLE "token_sink" (
    "id"           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name"         TEXT    NOT NULL UNIQUE,
    "kind"         TEXT    NOT NULL, -- one_api_http, new_api_http, one_api_db, codex_channel, webhook, file
    "enabled"      INTEGER NOT NULL,
    "config"       TEXT    NOT NULL, -- JSON object without secrets
    "secrets"      TEXT, -- sealed JSON object
    "sync_delay_s" INTEGER NOT NULL, -- how long the target goes on with an old token
    "created_at"   INTEGER NOT NULL,
    "updated_at"   INTEGER NOT NULL
);

-- An account joined to a target of a sink.
CREATE TABLE "sink_link" (
    "id"                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sink_id"           INTEGER NOT NULL REFERENCES "token_sink" ("id") ON DELETE CASCADE,
    "token_id"          INTEGER NOT NULL REFERENCES "refresh_token" ("id") ON DELETE CASCADE,
    "channel_id"        TEXT    NOT NULL, -- of the target
    "channel_name"      TEXT, -- the target must have it
    "channel_type"      INTEGER, -- the target must have it
    "delivered_version" INTEGER NOT NULL DEFAULT -1, -- version of the token that arrived last
    "delivered_at"      INTEGER,
    "created_at"        INTEGER NOT NULL,
    UNIQUE ("sink_id", "channel_id")
);
CREATE INDEX "sink_link_token" ON "sink_link" ("token_id", "id");

-- What has to be told to others, written in the transaction of its cause.
CREATE TABLE "outbox" (
    "id"              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "kind"            TEXT    NOT NULL, -- sink, notify
    "target"          TEXT    NOT NULL, -- what is delivered in order: link:7, channel:3
    "lane"            TEXT    NOT NULL, -- what targets share: sink:3; only a few of a lane are delivered at once
    "version"         INTEGER NOT NULL, -- one row each for a target; a newer one supersedes
    "payload"         TEXT    NOT NULL, -- JSON without secrets
    "state"           TEXT    NOT NULL, -- pending, delivered, superseded, failed
    "attempts"        INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" INTEGER, -- null: over; a superseded one that is under way is over when that ends
    "lease_owner"     TEXT, -- instance that delivers it
    "lease_until"     INTEGER,
    "last_error"      TEXT, -- never a secret
    "created_at"      INTEGER NOT NULL,
    "updated_at"      INTEGER NOT NULL,
    "delivered_at"    INTEGER,
    UNIQUE ("target", "version")
);
CREATE INDEX "outbox_due" ON "outbox" ("next_attempt_at", "id");
CREATE INDEX "outbox_open" ON "outbox" ("target", "next_attempt_at");
CREATE INDEX "outbox_lane" ON "outbox" ("lane", "id");
CREATE INDEX "outbox_created" ON "outbox" ("created_at");

-- Where people are told.
CREATE TABLE "notification_channel" (
    "id"             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name"           TEXT    NOT NULL UNIQUE,
    "kind"           TEXT    NOT NULL, -- pushplus, serverchan, bark, wecom, dingtalk, feishu, telegram, slack, discord, webhook, email
    "enabled"        INTEGER NOT NULL,
    "events"         TEXT    NOT NULL, -- JSON list of event names
    "quiet_hours"    TEXT, -- 22:00-08:00 in server.timezone
    "break_through"  TEXT    NOT NULL, -- JSON list of event names that quiet hours do not hold
    "min_interval_s" INTEGER NOT NULL, -- for each event and subject
    "config"         TEXT    NOT NULL, -- sealed JSON object
    "paused_until"   INTEGER, -- the service asked for it
    "sent_at"        TEXT    NOT NULL DEFAULT '[]', -- JSON list of the sends of the last minute, where a service counts them
    "created_at"     INTEGER NOT NULL,
    "updated_at"     INTEGER NOT NULL
);

-- What people are to be told.
CREATE TABLE "notification" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "event"         TEXT    NOT NULL,
    "subject"       TEXT    NOT NULL, -- what it is about: token:7, provider:claude
    "cause"         TEXT    NOT NULL, -- those of one cause make one message
    "params"        TEXT    NOT NULL, -- JSON object without secrets
    "dispatched_at" INTEGER, -- when it was handed to the channels
    "created_at"    INTEGER NOT NULL
);
CREATE INDEX "notification_waiting" ON "notification" ("dispatched_at", "id");
CREATE INDEX "notification_subject" ON "notification" ("event", "subject", "id");
CREATE INDEX "notification_created" ON "notification" ("created_at");

-- Which channel was told what, or will be when its quiet hours end.
CREATE TABLE "notification_told" (
    "channel_id"      INTEGER NOT NULL REFERENCES "notification_channel" ("id") ON DELETE CASCADE,
    "notification_id" INTEGER NOT NULL REFERENCES "notification" ("id") ON DELETE CASCADE,
    "event"           TEXT    NOT NULL, -- as in notification
    "subject"         TEXT    NOT NULL, -- as in notification
    "told_at"         INTEGER, -- null: it is held
    PRIMARY KEY ("channel_id", "notification_id")
);
CREATE INDEX "notification_told_last" ON "notification_told" ("channel_id", "event", "told_at");
CREATE INDEX "notification_told_held" ON "notification_told" ("told_at", "channel_id");
CREATE INDEX "notification_told_notification" ON "notification_told" ("notification_id");

-- Replicas whose rotation journal may be sealed under a data key or a later one.
CREATE TABLE "key_holder" (
    "instance"   TEXT    NOT NULL PRIMARY KEY, -- data/instance_id
    "key_id"     INTEGER NOT NULL REFERENCES "sealing_key" ("id"), -- the oldest that it may need
    "updated_at" INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX "key_holder_key" ON "key_holder" ("key_id");
