-- +goose Up
-- Bans and allow-lists; version counts every change, for other nodes to notice.
CREATE TABLE gateway_lists (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	list       TEXT NOT NULL,
	token      BYTEA NOT NULL,
	subject    BYTEA NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	sealed_at  BIGINT NOT NULL,
	policy     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	lifted_at  BIGINT
);
CREATE INDEX gateway_lists_site ON gateway_lists (site, list);
CREATE TABLE gateway_version (
	site TEXT PRIMARY KEY,
	n    BIGINT NOT NULL
);
