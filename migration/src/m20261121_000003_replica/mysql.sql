-- Processes that serve this database, each with its last sign of life. Empty on SQLite, where a lock on the file decides.
CREATE TABLE IF NOT EXISTS `{p}replica` (
    `instance` CHAR(36) NOT NULL PRIMARY KEY, -- UUID of the data folder
    `life` CHAR(36) NOT NULL, -- UUID of the process: another one at every start
    `host` VARCHAR(255) NOT NULL,
    `pid` BIGINT NOT NULL,
    `has_redis` TINYINT(1) NOT NULL, -- whether it shares its counts with others
    `started_at` BIGINT NOT NULL, -- by the database's clock
    `beat_at` BIGINT NOT NULL -- last sign of life, by the database's clock
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
