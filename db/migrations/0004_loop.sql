-- +goose Up
-- Recorded actions; one without done_at is redone until it expires.
CREATE TABLE loop_actions (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	kind       TEXT NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	done_at    BIGINT,
	entry      TEXT NOT NULL
);
CREATE INDEX loop_actions_open ON loop_actions (expires_at) WHERE done_at IS NULL;
