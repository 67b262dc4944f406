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
    `value` TEXT NOT NULL, -- JSON
    `updated_at` BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Work that goes on in the background after its request was answered.
CREATE TABLE IF NOT EXISTS `task` (
    `id` CHAR(36) NOT NULL PRIMARY KEY, -- UUID v7
    `kind` VARCHAR(64) NOT NULL,
    `status` VARCHAR(16) NOT NULL, -- running, done, failed
    `detail` LONGTEXT, -- result or reason
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    `finished_at` BIGINT,
    KEY `task_created` (`created_at`, `id`)
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
