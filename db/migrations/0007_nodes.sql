-- +goose Up
-- Nodes that serve from this database.
CREATE TABLE nodes (
	id       TEXT PRIMARY KEY,
	seen_at  BIGINT NOT NULL,
	settings TEXT NOT NULL,
	spooled  BIGINT NOT NULL,
	version  TEXT NOT NULL
);
