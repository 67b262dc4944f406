-- Programs that may ask a device for access.
CREATE TABLE IF NOT EXISTS `{p}app` (
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
    KEY `{p}app_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A person's or classroom's installation.
CREATE TABLE IF NOT EXISTS `{p}device` (
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
    KEY `{p}device_created` (`created_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The grant of one device to one app.
CREATE TABLE IF NOT EXISTS `{p}app_install` (
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
    CONSTRAINT `{p}app_install_app_id_fk` FOREIGN KEY (`app_id`) REFERENCES `{p}app` (`id`) ON DELETE CASCADE,
    CONSTRAINT `{p}app_install_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `{p}device` (`id`) ON DELETE CASCADE,
    KEY `{p}app_install_app` (`app_id`, `installed_at`, `id`),
    KEY `{p}app_install_device` (`device_id`, `installed_at`, `id`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The values. Expired rows count as absent until the purge job removes them.
CREATE TABLE IF NOT EXISTS `{p}kv_store` (
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
    CONSTRAINT `{p}kv_store_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `{p}device` (`id`) ON DELETE CASCADE,
    KEY `{p}kv_store_created` (`device_id`, `created_at`, `key`),
    KEY `{p}kv_store_updated` (`device_id`, `updated_at`, `key`),
    KEY `{p}kv_store_size` (`device_id`, `size`, `key`),
    KEY `{p}kv_store_device_expires` (`device_id`, `expires_at`),
    KEY `{p}kv_store_expires` (`expires_at`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The last changes of each device, for /kv/_changes.
CREATE TABLE IF NOT EXISTS `{p}kv_change` (
    `device_id` BIGINT NOT NULL,
    `revision` BIGINT NOT NULL,
    `key` VARBINARY(764) NOT NULL,
    `deleted` TINYINT(1) NOT NULL,
    `changed_at` BIGINT NOT NULL,
    PRIMARY KEY (`device_id`, `revision`),
    CONSTRAINT `{p}kv_change_device_id_fk` FOREIGN KEY (`device_id`) REFERENCES `{p}device` (`id`) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
