-- +goose Up
-- Settings sets with versions; one of them is current.
CREATE TABLE settings_versions (
	id     TEXT PRIMARY KEY,
	n      BIGINT NOT NULL UNIQUE,
	at     BIGINT NOT NULL,
	author TEXT NOT NULL,
	reason TEXT NOT NULL,
	hash   TEXT NOT NULL,
	files  TEXT NOT NULL
);
CREATE TABLE settings_current (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	id  TEXT NOT NULL REFERENCES settings_versions (id)
);
