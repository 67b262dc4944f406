-- Facts about this database itself: when it was initialised, fingerprints of the secrets it belongs to.
CREATE TABLE IF NOT EXISTS `meta` (
    `name` VARCHAR(64) NOT NULL PRIMARY KEY,
    `value` TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Data keys, each sealed under the master key. The newest active one seals; the others still open.
CREATE TABLE IF NOT EXISTS `sealing_key` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `sealed_key` VARCHAR(255) NOT NULL, -- base64 of nonce and AES-256-GCM box
    `created_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- People who sign in to the web admin.
CREATE TABLE IF NOT EXISTS `admin_user` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `username` VARCHAR(64) NOT NULL UNIQUE,
    `password_hash` VARCHAR(255) NOT NULL, -- Argon2id, PHC string
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A signed-in session; its id is the token's jti, so ending the row ends the token.
CREATE TABLE IF NOT EXISTS `admin_session` (
    `id` CHAR(36) NOT NULL PRIMARY KEY, -- UUID v4
    `admin_user_id` BIGINT NOT NULL,
    `ip` VARCHAR(64) NOT NULL,
    `created_at` BIGINT NOT NULL,
    `expires_at` BIGINT NOT NULL,
    CONSTRAINT `admin_session_admin_user_id_fk` FOREIGN KEY (`admin_user_id`) REFERENCES `admin_user` (`id`) ON DELETE CASCADE,
    KEY `admin_session_user` (`admin_user_id`),
    KEY `admin_session_expires` (`expires_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Named secrets with scopes for gateways and scripts; the secret itself is never stored.
CREATE TABLE IF NOT EXISTS `api_secret` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `name` VARCHAR(64) NOT NULL UNIQUE,
    `secret_hash` CHAR(64) NOT NULL UNIQUE, -- SHA-256, 64 hex digits
    `last4` VARCHAR(4) NOT NULL,
    `scopes` VARCHAR(500) NOT NULL, -- names, separated by a blank
    `expires_at` BIGINT,
    `revoked_at` BIGINT,
    `last_used_at` BIGINT,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Tries at a password, counted before it is looked at, so that parallel guesses cannot slip past the limit.
CREATE TABLE IF NOT EXISTS `attempt` (
    `scope` VARCHAR(32) NOT NULL, -- admin-login, device-password, ...
    `subject` CHAR(64) NOT NULL, -- SHA-256 of the name that was tried
    `address` VARCHAR(64) NOT NULL, -- IP address, or * for all of them
    `window_start` BIGINT NOT NULL,
    `failures` INT NOT NULL,
    `locked_until` BIGINT,
    `succeeded_at` BIGINT, -- the last good one
    PRIMARY KEY (`scope`, `subject`, `address`),
    KEY `attempt_window` (`window_start`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Every write by an admin.
CREATE TABLE IF NOT EXISTS `audit_event` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `actor` VARCHAR(191) NOT NULL,
    `action` VARCHAR(64) NOT NULL,
    `entity` VARCHAR(64) NOT NULL,
    `entity_id` VARCHAR(191) NOT NULL,
    `changes` LONGTEXT NOT NULL, -- JSON object without secret values
    `ip` VARCHAR(64) NOT NULL,
    `request_id` VARCHAR(128) NOT NULL,
    `created_at` BIGINT NOT NULL,
    KEY `audit_event_entity` (`entity`, `entity_id`, `id`),
    KEY `audit_event_actor` (`actor`, `id`),
    KEY `audit_event_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- First answers of requests that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE IF NOT EXISTS `idempotency_key` (
    `id` CHAR(64) NOT NULL PRIMARY KEY, -- SHA-256 of caller, method, path and key
    `request_hash` CHAR(64) NOT NULL, -- SHA-256 of the body
    `mark` CHAR(36) NOT NULL, -- who is working on it
    `status` INT, -- null while the first request is running
    `answer` LONGTEXT, -- sealed body and headers
    `created_at` BIGINT NOT NULL,
    KEY `idempotency_key_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What an admin changed at run time; it outranks the configuration.
CREATE TABLE IF NOT EXISTS `setting` (
    `name` VARCHAR(64) NOT NULL PRIMARY KEY,
    `value` TEXT NOT NULL, -- sealed where it is a list of proxies, else JSON
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Work that goes on in the background after its request was answered.
CREATE TABLE IF NOT EXISTS `task` (
    `id` CHAR(36) NOT NULL PRIMARY KEY, -- UUID v7
    `kind` VARCHAR(64) NOT NULL,
    `status` VARCHAR(16) NOT NULL, -- running, done, failed
    `detail` LONGTEXT, -- result or reason
    `total` BIGINT NOT NULL DEFAULT 0, -- how many items it has; 0: it is done as a whole
    `done` BIGINT NOT NULL DEFAULT 0, -- how many of them are over
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    `finished_at` BIGINT,
    KEY `task_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The items of a task that is done one by one, and how each ended.
CREATE TABLE IF NOT EXISTS `task_item` (
    `task_id` CHAR(36) NOT NULL,
    `nth` BIGINT NOT NULL, -- from 0, in the order they are done
    `subject` BIGINT NOT NULL, -- id of what is worked on
    `status` BIGINT, -- HTTP status of its outcome; null: waits
    `code` VARCHAR(64), -- of the problem, if there was one
    PRIMARY KEY (`task_id`, `nth`),
    FOREIGN KEY (`task_id`) REFERENCES `task` (`id`) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What runs on a schedule.
CREATE TABLE IF NOT EXISTS `job` (
    `name` VARCHAR(64) NOT NULL PRIMARY KEY,
    `schedule` VARCHAR(128), -- null: as configured
    `enabled` TINYINT(1), -- null: as configured
    `last_started_at` BIGINT,
    `last_finished_at` BIGINT,
    `last_status` VARCHAR(16), -- ok, failed, panicked
    `last_result` TEXT,
    `next_run_at` BIGINT,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Exclusive rights of limited duration. The fence grows with every new holder, so a late one can be told.
CREATE TABLE IF NOT EXISTS `lease` (
    `name` VARCHAR(191) NOT NULL PRIMARY KEY,
    `holder` VARCHAR(64) NOT NULL,
    `fence` BIGINT NOT NULL,
    `expires_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Programs that may ask a device for access.
CREATE TABLE IF NOT EXISTS `app` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    `description` TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `developer_name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    `developer_link` VARCHAR(500),
    `homepage_link` VARCHAR(500),
    `icon_hash` VARCHAR(191),
    `repository_url` VARCHAR(500),
    `metadata` LONGTEXT, -- any JSON
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    KEY `app_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A person's or classroom's installation.
CREATE TABLE IF NOT EXISTS `device` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `uuid` VARBINARY(764) NOT NULL UNIQUE, -- 1 to 191 printable characters, compared byte by byte
    `name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `password_hash` VARCHAR(255), -- Argon2id, PHC string; null: no password
    `password_hint` VARCHAR(191),
    `revision` BIGINT NOT NULL DEFAULT 0, -- of the last change of its keys
    `key_count` BIGINT NOT NULL DEFAULT 0, -- rows in kv_store, expired ones included
    `byte_count` BIGINT NOT NULL DEFAULT 0, -- sum of their sizes
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    KEY `device_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The grant of one device to one app.
CREATE TABLE IF NOT EXISTS `app_install` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `app_id` BIGINT NOT NULL,
    `device_id` BIGINT NOT NULL,
    `token_hash` CHAR(64) NOT NULL UNIQUE, -- SHA-256 of the app token, 64 hex digits
    `token_last4` VARCHAR(4) NOT NULL,
    `read_only` TINYINT(1) NOT NULL,
    `note` VARCHAR(191) NOT NULL,
    `installed_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    `last_used_at` BIGINT,
    CONSTRAINT `app_install_app_id_fk` FOREIGN KEY (`app_id`) REFERENCES `app` (`id`) ON DELETE CASCADE,
    CONSTRAINT `app_install_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `device` (`id`) ON DELETE CASCADE,
    KEY `app_install_app` (`app_id`, `installed_at`, `id`),
    KEY `app_install_device` (`device_id`, `installed_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The values. Expired rows count as absent until the purge job removes them.
CREATE TABLE IF NOT EXISTS `kv_store` (
    `device_id` BIGINT NOT NULL,
    `key` VARBINARY(764) NOT NULL, -- 1 to 191 characters, compared byte by byte
    `value` LONGTEXT NOT NULL, -- JSON text, as it was sent
    `size` BIGINT NOT NULL, -- bytes of value
    `revision` BIGINT NOT NULL,
    `expires_at` BIGINT,
    `creator_ip` VARCHAR(64) NOT NULL,
    `updater_ip` VARCHAR(64) NOT NULL,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`device_id`, `key`),
    CONSTRAINT `kv_store_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `device` (`id`) ON DELETE CASCADE,
    KEY `kv_store_created` (`device_id`, `created_at`, `key`),
    KEY `kv_store_updated` (`device_id`, `updated_at`, `key`),
    KEY `kv_store_size` (`device_id`, `size`, `key`),
    KEY `kv_store_device_expires` (`device_id`, `expires_at`),
    KEY `kv_store_expires` (`expires_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The last changes of each device, for /kv/_changes.
CREATE TABLE IF NOT EXISTS `kv_change` (
    `device_id` BIGINT NOT NULL,
    `revision` BIGINT NOT NULL,
    `key` VARBINARY(764) NOT NULL,
    `deleted` TINYINT(1) NOT NULL,
    `changed_at` BIGINT NOT NULL,
    PRIMARY KEY (`device_id`, `revision`),
    CONSTRAINT `kv_change_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `device` (`id`) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Processes that serve this database, each with its last sign of life. Empty on SQLite, where a lock on the file decides.
CREATE TABLE IF NOT EXISTS `replica` (
    `instance` CHAR(36) NOT NULL PRIMARY KEY, -- UUID of the data folder
    `life` CHAR(36) NOT NULL, -- UUID of the process: another one at every start
    `host` VARCHAR(255) NOT NULL,
    `pid` BIGINT NOT NULL,
    `has_redis` TINYINT(1) NOT NULL, -- whether it shares its counts with others
    `started_at` BIGINT NOT NULL, -- by the database's clock
    `beat_at` BIGINT NOT NULL -- last sign of life, by the database's clock
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where refresh tokens are exchanged.
CREATE TABLE IF NOT EXISTS `provider` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `name` VARCHAR(64) NOT NULL UNIQUE, -- lower-case letters, digits, hyphens
    `token_url` VARCHAR(500) NOT NULL,
    `body_format` VARCHAR(16) NOT NULL, -- json, form
    `auth_method` VARCHAR(16) NOT NULL, -- body, basic: how client_secret is sent
    `client_id` VARCHAR(255), -- of accounts that name none
    `client_secret` LONGTEXT, -- sealed
    `extra_params` LONGTEXT, -- sealed JSON object: more members of the body
    `headers` LONGTEXT, -- sealed JSON object
    `expires_in_default` BIGINT NOT NULL, -- seconds, where an answer tells no expiry
    `refresh_margin_s` BIGINT, -- null: as the settings say
    `keepalive_days` BIGINT, -- refresh at least that often
    `timeout_ms` BIGINT, -- null: as the settings say
    `max_concurrency` BIGINT, -- calls at once; null: as the settings say
    `min_interval_ms` BIGINT, -- between two calls; null: as the settings say
    `rotates` TINYINT(1) NOT NULL, -- whether a refresh ends the old refresh token
    `error_map` LONGTEXT NOT NULL, -- JSON object: error code to failure class
    `state` VARCHAR(16) NOT NULL, -- active, paused
    `paused_reason` VARCHAR(500),
    `version` BIGINT NOT NULL DEFAULT 0, -- moves with every edit
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Accounts: a refresh token and what it gives.
CREATE TABLE IF NOT EXISTS `refresh_token` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `biz_id` VARBINARY(764) NOT NULL UNIQUE, -- 1 to 191 characters, compared byte by byte
    `provider` VARCHAR(64) NOT NULL, -- name of the provider
    `email` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `user_name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `account_type` VARCHAR(64), -- free, plus, pro, team
    `account_id` VARCHAR(255), -- of the provider, from its tokens
    `refresh_token` LONGTEXT NOT NULL, -- sealed
    `refresh_token_hash` CHAR(64) NOT NULL UNIQUE, -- SHA-256, 64 hex digits
    `refresh_token_last6` VARCHAR(8) NOT NULL,
    `previous_refresh_token` LONGTEXT, -- sealed
    `access_token` LONGTEXT, -- sealed
    `id_token` LONGTEXT, -- sealed
    `access_expires_at` BIGINT,
    `client_id` VARCHAR(255), -- null: that of the provider
    `proxy` LONGTEXT, -- sealed URL; null: as the settings choose
    `tag` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `memo` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    `enabled` TINYINT(1) NOT NULL,
    `state` VARCHAR(16) NOT NULL, -- new, ok, failing, dead, uncertain
    `failure_class` VARCHAR(64),
    `failure_detail` VARCHAR(500), -- never a token
    `failure_count` BIGINT NOT NULL DEFAULT 0, -- failures in a row
    `dead_hash` CHAR(64), -- of the refresh token that was refused for good
    `retry_after` BIGINT, -- no earlier attempt: the provider said so
    `last_refresh_at` BIGINT, -- last success
    `next_refresh_at` BIGINT, -- null: not due by itself
    `version` BIGINT NOT NULL DEFAULT 0, -- moves with every new token
    `lease_owner` VARCHAR(64), -- instance that refreshes
    `lease_epoch` BIGINT NOT NULL DEFAULT 0, -- moves with every lease
    `lease_until` BIGINT,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    KEY `refresh_token_due` (`enabled`, `next_refresh_at`, `id`),
    KEY `refresh_token_email` (`email`, `id`),
    KEY `refresh_token_created` (`created_at`, `id`),
    KEY `refresh_token_expires` (`access_expires_at`, `id`),
    KEY `refresh_token_provider` (`provider`, `id`),
    KEY `refresh_token_state` (`state`),
    KEY `refresh_token_lease` (`lease_owner`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What happened to an account.
CREATE TABLE IF NOT EXISTS `refresh_event` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `token_id` BIGINT NOT NULL,
    `kind` VARCHAR(32) NOT NULL, -- started, succeeded, failed, uncertain, dead, recovered, created, edited, imported, revealed
    `cause` VARCHAR(16) NOT NULL, -- api, admin, job, batch, serve, replay
    `attempt` VARCHAR(40), -- joins a start with its end
    `token_hash` CHAR(64), -- of the refresh token that is used
    `open` TINYINT(1), -- 1 while a started attempt has no end
    `lease_epoch` BIGINT,
    `instance` VARCHAR(64),
    `failure_class` VARCHAR(64),
    `detail` VARCHAR(500), -- never a token
    `duration_ms` BIGINT,
    `created_at` BIGINT NOT NULL,
    CONSTRAINT `refresh_event_token_id_fk` FOREIGN KEY (`token_id`) REFERENCES `refresh_token` (`id`) ON DELETE CASCADE,
    KEY `refresh_event_token` (`token_id`, `id`),
    KEY `refresh_event_open` (`open`, `token_id`),
    KEY `refresh_event_created` (`created_at`),
    KEY `refresh_event_spent` (`token_hash`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where fresh access tokens are pushed.
CREATE TABLE IF NOT EXISTS `token_sink` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE,
    `kind` VARCHAR(32) NOT NULL, -- one_api_http, new_api_http, one_api_db, codex_channel, webhook, file
    `enabled` TINYINT(1) NOT NULL,
    `config` LONGTEXT NOT NULL, -- JSON object without secrets
    `secrets` LONGTEXT, -- sealed JSON object
    `sync_delay_s` BIGINT NOT NULL, -- how long the target goes on with an old token
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- An account joined to a target of a sink.
CREATE TABLE IF NOT EXISTS `sink_link` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `sink_id` BIGINT NOT NULL,
    `token_id` BIGINT NOT NULL,
    `channel_id` VARCHAR(191) NOT NULL, -- of the target
    `channel_name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, -- the target must have it
    `channel_type` BIGINT, -- the target must have it
    `delivered_version` BIGINT NOT NULL DEFAULT -1, -- version of the token that arrived last
    `delivered_at` BIGINT,
    `created_at` BIGINT NOT NULL,
    UNIQUE KEY `sink_link_sink_id_channel_id` (`sink_id`, `channel_id`),
    CONSTRAINT `sink_link_sink_id_fk` FOREIGN KEY (`sink_id`) REFERENCES `token_sink` (`id`) ON DELETE CASCADE,
    CONSTRAINT `sink_link_token_id_fk` FOREIGN KEY (`token_id`) REFERENCES `refresh_token` (`id`) ON DELETE CASCADE,
    KEY `sink_link_token` (`token_id`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What has to be told to others, written in the transaction of its cause.
CREATE TABLE IF NOT EXISTS `outbox` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `kind` VARCHAR(16) NOT NULL, -- sink, notify
    `target` VARCHAR(191) NOT NULL, -- what is delivered in order: link:7, channel:3
    `lane` VARCHAR(191) NOT NULL, -- what targets share: sink:3; only a few of a lane are delivered at once
    `version` BIGINT NOT NULL, -- one row each for a target; a newer one supersedes
    `payload` LONGTEXT NOT NULL, -- JSON without secrets
    `state` VARCHAR(16) NOT NULL, -- pending, delivered, superseded, failed
    `attempts` BIGINT NOT NULL DEFAULT 0,
    `next_attempt_at` BIGINT, -- null: over; a superseded one that is under way is over when that ends
    `lease_owner` VARCHAR(64), -- instance that delivers it
    `lease_until` BIGINT,
    `last_error` VARCHAR(500), -- never a secret
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    `delivered_at` BIGINT,
    UNIQUE KEY `outbox_target_version` (`target`, `version`),
    KEY `outbox_due` (`next_attempt_at`, `id`),
    KEY `outbox_open` (`target`, `next_attempt_at`),
    KEY `outbox_lane` (`lane`, `id`),
    KEY `outbox_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where people are told.
CREATE TABLE IF NOT EXISTS `notification_channel` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE,
    `kind` VARCHAR(16) NOT NULL, -- pushplus, serverchan, bark, wecom, dingtalk, feishu, telegram, slack, discord, webhook, email
    `enabled` TINYINT(1) NOT NULL,
    `events` LONGTEXT NOT NULL, -- JSON list of event names
    `quiet_hours` VARCHAR(64), -- 22:00-08:00 in server.timezone
    `break_through` LONGTEXT NOT NULL, -- JSON list of event names that quiet hours do not hold
    `min_interval_s` BIGINT NOT NULL, -- for each event and subject
    `config` LONGTEXT NOT NULL, -- sealed JSON object
    `paused_until` BIGINT, -- the service asked for it
    `sent_at` VARCHAR(500) NOT NULL DEFAULT '[]', -- JSON list of the sends of the last minute, where a service counts them
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What people are to be told.
CREATE TABLE IF NOT EXISTS `notification` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `event` VARCHAR(64) NOT NULL,
    `subject` VARCHAR(191) NOT NULL, -- what it is about: token:7, provider:claude
    `cause` VARCHAR(191) NOT NULL, -- those of one cause make one message
    `params` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL, -- JSON object without secrets
    `dispatched_at` BIGINT, -- when it was handed to the channels
    `created_at` BIGINT NOT NULL,
    KEY `notification_waiting` (`dispatched_at`, `id`),
    KEY `notification_subject` (`event`, `subject`, `id`),
    KEY `notification_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Which channel was told what, or will be when its quiet hours end.
CREATE TABLE IF NOT EXISTS `notification_told` (
    `channel_id` BIGINT NOT NULL,
    `notification_id` BIGINT NOT NULL,
    `event` VARCHAR(64) NOT NULL, -- as in notification
    `subject` VARCHAR(191) NOT NULL, -- as in notification
    `told_at` BIGINT, -- null: it is held
    PRIMARY KEY (`channel_id`, `notification_id`),
    CONSTRAINT `notification_told_channel_id_fk` FOREIGN KEY (`channel_id`) REFERENCES `notification_channel` (`id`) ON DELETE CASCADE,
    CONSTRAINT `notification_told_notification_id_fk` FOREIGN KEY (`notification_id`) REFERENCES `notification` (`id`) ON DELETE CASCADE,
    KEY `notification_told_last` (`channel_id`, `event`, `told_at`),
    KEY `notification_told_held` (`told_at`, `channel_id`),
    KEY `notification_told_notification` (`notification_id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Replicas whose rotation journal may be sealed under a data key or a later one.
CREATE TABLE IF NOT EXISTS `key_holder` (
    `instance` VARCHAR(64) NOT NULL PRIMARY KEY, -- data/instance_id
    `key_id` BIGINT NOT NULL, -- the oldest that it may need
    `updated_at` BIGINT NOT NULL,
    CONSTRAINT `key_holder_key_id_fk` FOREIGN KEY (`key_id`) REFERENCES `sealing_key` (`id`),
    KEY `key_holder_key` (`key_id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
