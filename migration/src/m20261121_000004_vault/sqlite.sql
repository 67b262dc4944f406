-- Where refresh tokens are exchanged.
CREATE TABLE "{p}provider" (
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
CREATE TABLE "{p}refresh_token" (
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
CREATE INDEX "{p}refresh_token_due" ON "{p}refresh_token" ("enabled", "next_refresh_at", "id");
CREATE INDEX "{p}refresh_token_email" ON "{p}refresh_token" ("email", "id");
CREATE INDEX "{p}refresh_token_created" ON "{p}refresh_token" ("created_at", "id");
CREATE INDEX "{p}refresh_token_expires" ON "{p}refresh_token" ("access_expires_at", "id");
CREATE INDEX "{p}refresh_token_provider" ON "{p}refresh_token" ("provider", "id");
CREATE INDEX "{p}refresh_token_state" ON "{p}refresh_token" ("state");
CREATE INDEX "{p}refresh_token_lease" ON "{p}refresh_token" ("lease_owner");

-- What happened to an account.
CREATE TABLE "{p}refresh_event" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "token_id"      INTEGER NOT NULL REFERENCES "{p}refresh_token" ("id") ON DELETE CASCADE,
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
CREATE INDEX "{p}refresh_event_token" ON "{p}refresh_event" ("token_id", "id");
CREATE INDEX "{p}refresh_event_open" ON "{p}refresh_event" ("open", "token_id");
CREATE INDEX "{p}refresh_event_created" ON "{p}refresh_event" ("created_at");
CREATE INDEX "{p}refresh_event_spent" ON "{p}refresh_event" ("token_hash") WHERE "token_hash" IS NOT NULL;

-- Where fresh access tokens are pushed.
CREATE TABLE "{p}token_sink" (
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
CREATE TABLE "{p}sink_link" (
    "id"                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sink_id"           INTEGER NOT NULL REFERENCES "{p}token_sink" ("id") ON DELETE CASCADE,
    "token_id"          INTEGER NOT NULL REFERENCES "{p}refresh_token" ("id") ON DELETE CASCADE,
    "channel_id"        TEXT    NOT NULL, -- of the target
    "channel_name"      TEXT, -- the target must have it
    "channel_type"      INTEGER, -- the target must have it
    "delivered_version" INTEGER NOT NULL DEFAULT -1, -- version of the token that arrived last
    "delivered_at"      INTEGER,
    "created_at"        INTEGER NOT NULL,
    UNIQUE ("sink_id", "channel_id")
);
CREATE INDEX "{p}sink_link_token" ON "{p}sink_link" ("token_id", "id");

-- What has to be told to others, written in the transaction of its cause.
CREATE TABLE "{p}outbox" (
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
CREATE INDEX "{p}outbox_due" ON "{p}outbox" ("next_attempt_at", "id");
CREATE INDEX "{p}outbox_open" ON "{p}outbox" ("target", "next_attempt_at");
CREATE INDEX "{p}outbox_lane" ON "{p}outbox" ("lane", "id");
CREATE INDEX "{p}outbox_created" ON "{p}outbox" ("created_at");

-- Where people are told.
CREATE TABLE "{p}notification_channel" (
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
CREATE TABLE "{p}notification" (
    "id"            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "event"         TEXT    NOT NULL,
    "subject"       TEXT    NOT NULL, -- what it is about: token:7, provider:claude
    "cause"         TEXT    NOT NULL, -- those of one cause make one message
    "params"        TEXT    NOT NULL, -- JSON object without secrets
    "dispatched_at" INTEGER, -- when it was handed to the channels
    "created_at"    INTEGER NOT NULL
);
CREATE INDEX "{p}notification_waiting" ON "{p}notification" ("dispatched_at", "id");
CREATE INDEX "{p}notification_subject" ON "{p}notification" ("event", "subject", "id");
CREATE INDEX "{p}notification_created" ON "{p}notification" ("created_at");

-- Which channel was told what, or will be when its quiet hours end.
CREATE TABLE "{p}notification_told" (
    "channel_id"      INTEGER NOT NULL REFERENCES "{p}notification_channel" ("id") ON DELETE CASCADE,
    "notification_id" INTEGER NOT NULL REFERENCES "{p}notification" ("id") ON DELETE CASCADE,
    "event"           TEXT    NOT NULL, -- as in notification
    "subject"         TEXT    NOT NULL, -- as in notification
    "told_at"         INTEGER, -- null: it is held
    PRIMARY KEY ("channel_id", "notification_id")
);
CREATE INDEX "{p}notification_told_last" ON "{p}notification_told" ("channel_id", "event", "told_at");
CREATE INDEX "{p}notification_told_held" ON "{p}notification_told" ("told_at", "channel_id");
CREATE INDEX "{p}notification_told_notification" ON "{p}notification_told" ("notification_id");

-- Replicas whose rotation journal may be sealed under a data key or a later one.
CREATE TABLE "{p}key_holder" (
    "instance"   TEXT    NOT NULL PRIMARY KEY, -- data/instance_id
    "key_id"     INTEGER NOT NULL REFERENCES "{p}sealing_key" ("id"), -- the oldest that it may need
    "updated_at" INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX "{p}key_holder_key" ON "{p}key_holder" ("key_id");
