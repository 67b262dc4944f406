-- Where refresh tokens are exchanged.
CREATE TABLE IF NOT EXISTS `{p}provider` (
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
CREATE TABLE IF NOT EXISTS `{p}refresh_token` (
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
    KEY `{p}refresh_token_due` (`enabled`, `next_refresh_at`, `id`),
    KEY `{p}refresh_token_email` (`email`, `id`),
    KEY `{p}refresh_token_created` (`created_at`, `id`),
    KEY `{p}refresh_token_expires` (`access_expires_at`, `id`),
    KEY `{p}refresh_token_provider` (`provider`, `id`),
    KEY `{p}refresh_token_state` (`state`),
    KEY `{p}refresh_token_lease` (`lease_owner`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What happened to an account.
CREATE TABLE IF NOT EXISTS `{p}refresh_event` (
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
    CONSTRAINT `{p}refresh_event_token_id_fk` FOREIGN KEY (`token_id`) REFERENCES `{p}refresh_token` (`id`) ON DELETE CASCADE,
    KEY `{p}refresh_event_token` (`token_id`, `id`),
    KEY `{p}refresh_event_open` (`open`, `token_id`),
    KEY `{p}refresh_event_created` (`created_at`),
    KEY `{p}refresh_event_spent` (`token_hash`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where fresh access tokens are pushed.
CREATE TABLE IF NOT EXISTS `{p}token_sink` (
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
CREATE TABLE IF NOT EXISTS `{p}sink_link` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `sink_id` BIGINT NOT NULL,
    `token_id` BIGINT NOT NULL,
    `channel_id` VARCHAR(191) NOT NULL, -- of the target
    `channel_name` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, -- the target must have it
    `channel_type` BIGINT, -- the target must have it
    `delivered_version` BIGINT NOT NULL DEFAULT -1, -- version of the token that arrived last
    `delivered_at` BIGINT,
    `created_at` BIGINT NOT NULL,
    UNIQUE KEY `{p}sink_link_sink_id_channel_id` (`sink_id`, `channel_id`),
    CONSTRAINT `{p}sink_link_sink_id_fk` FOREIGN KEY (`sink_id`) REFERENCES `{p}token_sink` (`id`) ON DELETE CASCADE,
    CONSTRAINT `{p}sink_link_token_id_fk` FOREIGN KEY (`token_id`) REFERENCES `{p}refresh_token` (`id`) ON DELETE CASCADE,
    KEY `{p}sink_link_token` (`token_id`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What has to be told to others, written in the transaction of its cause.
CREATE TABLE IF NOT EXISTS `{p}outbox` (
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
    UNIQUE KEY `{p}outbox_target_version` (`target`, `version`),
    KEY `{p}outbox_due` (`next_attempt_at`, `id`),
    KEY `{p}outbox_open` (`target`, `next_attempt_at`),
    KEY `{p}outbox_lane` (`lane`, `id`),
    KEY `{p}outbox_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where people are told.
CREATE TABLE IF NOT EXISTS `{p}notification_channel` (
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
CREATE TABLE IF NOT EXISTS `{p}notification` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `event` VARCHAR(64) NOT NULL,
    `subject` VARCHAR(191) NOT NULL, -- what it is about: token:7, provider:claude
    `cause` VARCHAR(191) NOT NULL, -- those of one cause make one message
    `params` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL, -- JSON object without secrets
    `dispatched_at` BIGINT, -- when it was handed to the channels
    `created_at` BIGINT NOT NULL,
    KEY `{p}notification_waiting` (`dispatched_at`, `id`),
    KEY `{p}notification_subject` (`event`, `subject`, `id`),
    KEY `{p}notification_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Which channel was told what, or will be when its quiet hours end.
CREATE TABLE IF NOT EXISTS `{p}notification_told` (
    `channel_id` BIGINT NOT NULL,
    `notification_id` BIGINT NOT NULL,
    `event` VARCHAR(64) NOT NULL, -- as in notification
    `subject` VARCHAR(191) NOT NULL, -- as in notification
    `told_at` BIGINT, -- null: it is held
    PRIMARY KEY (`channel_id`, `notification_id`),
    CONSTRAINT `{p}notification_told_channel_id_fk` FOREIGN KEY (`channel_id`) REFERENCES `{p}notification_channel` (`id`) ON DELETE CASCADE,
    CONSTRAINT `{p}notification_told_notification_id_fk` FOREIGN KEY (`notification_id`) REFERENCES `{p}notification` (`id`) ON DELETE CASCADE,
    KEY `{p}notification_told_last` (`channel_id`, `event`, `told_at`),
    KEY `{p}notification_told_held` (`told_at`, `channel_id`),
    KEY `{p}notification_told_notification` (`notification_id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Replicas whose rotation journal may be sealed under a data key or a later one.
CREATE TABLE IF NOT EXISTS `{p}key_holder` (
    `instance` VARCHAR(64) NOT NULL PRIMARY KEY, -- data/instance_id
    `key_id` BIGINT NOT NULL, -- the oldest that it may need
    `updated_at` BIGINT NOT NULL,
    CONSTRAINT `{p}key_holder_key_id_fk` FOREIGN KEY (`key_id`) REFERENCES `{p}sealing_key` (`id`),
    KEY `{p}key_holder_key` (`key_id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
