-- Facts about this database itself: when it was initialised, fingerprints of the secrets it belongs to.
CREATE TABLE IF NOT EXISTS `{p}meta` (
    `name` VARCHAR(64) NOT NULL PRIMARY KEY,
    `value` TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Data keys, each sealed under the master key. The newest active one seals; the others still open.
CREATE TABLE IF NOT EXISTS `{p}sealing_key` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `sealed_key` VARCHAR(255) NOT NULL, -- base64 of nonce and AES-256-GCM box
    `created_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- People who sign in to the web admin.
CREATE TABLE IF NOT EXISTS `{p}admin_user` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `username` VARCHAR(64) NOT NULL UNIQUE,
    `password_hash` VARCHAR(255) NOT NULL, -- Argon2id, PHC string
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A signed-in session; its id is the token's jti, so ending the row ends the token.
CREATE TABLE IF NOT EXISTS `{p}admin_session` (
    `id` CHAR(36) NOT NULL PRIMARY KEY, -- UUID v4
    `admin_user_id` BIGINT NOT NULL,
    `ip` VARCHAR(64) NOT NULL,
    `created_at` BIGINT NOT NULL,
    `expires_at` BIGINT NOT NULL,
    CONSTRAINT `{p}admin_session_admin_user_id_fk` FOREIGN KEY (`admin_user_id`) REFERENCES `{p}admin_user` (`id`) ON DELETE CASCADE,
    KEY `{p}admin_session_user` (`admin_user_id`),
    KEY `{p}admin_session_expires` (`expires_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Named secrets with scopes for gateways and scripts; the secret itself is never stored.
CREATE TABLE IF NOT EXISTS `{p}api_secret` (
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
CREATE TABLE IF NOT EXISTS `{p}attempt` (
    `scope` VARCHAR(32) NOT NULL, -- admin-login, device-password, ...
    `subject` CHAR(64) NOT NULL, -- SHA-256 of the name that was tried
    `address` VARCHAR(64) NOT NULL, -- IP address, or * for all of them
    `window_start` BIGINT NOT NULL,
    `failures` INT NOT NULL,
    `locked_until` BIGINT,
    `succeeded_at` BIGINT, -- the last good one
    PRIMARY KEY (`scope`, `subject`, `address`),
    KEY `{p}attempt_window` (`window_start`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Every write by an admin.
CREATE TABLE IF NOT EXISTS `{p}audit_event` (
    `id` BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    `actor` VARCHAR(191) NOT NULL,
    `action` VARCHAR(64) NOT NULL,
    `entity` VARCHAR(64) NOT NULL,
    `entity_id` VARCHAR(191) NOT NULL,
    `changes` LONGTEXT NOT NULL, -- JSON object without secret values
    `ip` VARCHAR(64) NOT NULL,
    `request_id` VARCHAR(128) NOT NULL,
    `created_at` BIGINT NOT NULL,
    KEY `{p}audit_event_entity` (`entity`, `entity_id`, `id`),
    KEY `{p}audit_event_actor` (`actor`, `id`),
    KEY `{p}audit_event_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- First answers of requests that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE IF NOT EXISTS `{p}idempotency_key` (
    `id` CHAR(64) NOT NULL PRIMARY KEY, -- SHA-256 of caller, method, path and key
    `request_hash` CHAR(64) NOT NULL, -- SHA-256 of the body
    `mark` CHAR(36) NOT NULL, -- who is working on it
    `status` INT, -- null while the first request is running
    `answer` LONGTEXT, -- sealed body and headers
    `created_at` BIGINT NOT NULL,
    KEY `{p}idempotency_key_created` (`created_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What an admin changed at run time; it outranks the configuration.
CREATE TABLE IF NOT EXISTS `{p}setting` (
    `name` VARCHAR(64) NOT NULL PRIMARY KEY,
    `value` TEXT NOT NULL, -- sealed where it is a list of proxies, else JSON
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Work that goes on in the background after its request was answered.
CREATE TABLE IF NOT EXISTS `{p}task` (
    `id` CHAR(36) NOT NULL PRIMARY KEY, -- UUID v7
    `kind` VARCHAR(64) NOT NULL,
    `status` VARCHAR(16) NOT NULL, -- running, done, failed
    `detail` LONGTEXT, -- result or reason
    `total` BIGINT NOT NULL DEFAULT 0, -- how many items it has; 0: it is done as a whole
    `done` BIGINT NOT NULL DEFAULT 0, -- how many of them are over
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    `finished_at` BIGINT,
    KEY `{p}task_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The items of a task that is done one by one, and how each ended.
CREATE TABLE IF NOT EXISTS `{p}task_item` (
    `task_id` CHAR(36) NOT NULL,
    `nth` BIGINT NOT NULL, -- from 0, in the order they are done
    `subject` BIGINT NOT NULL, -- id of what is worked on
    `status` BIGINT, -- HTTP status of its outcome; null: waits
    `code` VARCHAR(64), -- of the problem, if there was one
    PRIMARY KEY (`task_id`, `nth`),
    FOREIGN KEY (`task_id`) REFERENCES `{p}task` (`id`) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What runs on a schedule.
CREATE TABLE IF NOT EXISTS `{p}job` (
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
CREATE TABLE IF NOT EXISTS `{p}lease` (
    `name` VARCHAR(191) NOT NULL PRIMARY KEY,
    `holder` VARCHAR(64) NOT NULL,
    `fence` BIGINT NOT NULL,
    `expires_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
