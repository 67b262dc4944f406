-- Processes that serve this database, each with its last sign of life. Empty on SQLite, where a lock on the file decides.
CREATE TABLE "{p}replica" (
    "instance"   TEXT    NOT NULL PRIMARY KEY, -- UUID of the data folder
    "life"       TEXT    NOT NULL, -- UUID of the process: another one at every start
    "host"       TEXT    NOT NULL,
    "pid"        INTEGER NOT NULL,
    "has_redis"  INTEGER NOT NULL, -- whether it shares its counts with others
    "started_at" INTEGER NOT NULL, -- by the database's clock
    "beat_at"    INTEGER NOT NULL -- last sign of life, by the database's clock
) WITHOUT ROWID;
