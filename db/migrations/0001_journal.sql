-- +goose Up
-- The Merkle log: one head per log, entries as leaves, C2SP tiles of height 8.
CREATE TABLE journal_logs (
	log        TEXT PRIMARY KEY,
	size       BIGINT NOT NULL,
	root       BYTEA NOT NULL,
	edge       BYTEA NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE TABLE journal_entries (
	log     TEXT NOT NULL,
	seq     BIGINT NOT NULL,
	id      TEXT NOT NULL,
	at      BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	site    TEXT NOT NULL,
	zone    TEXT NOT NULL,
	verdict TEXT NOT NULL,
	rule    TEXT NOT NULL,
	count   BIGINT NOT NULL,
	body    BYTEA NOT NULL,
	PRIMARY KEY (log, seq),
	UNIQUE (log, id)
);
CREATE INDEX journal_entries_at ON journal_entries (log, at);
CREATE TABLE journal_tiles (
	log   TEXT NOT NULL,
	level INTEGER NOT NULL,
	n     BIGINT NOT NULL,
	data  BYTEA NOT NULL,
	PRIMARY KEY (log, level, n)
);
CREATE TABLE journal_tokens (
	log   TEXT NOT NULL,
	field TEXT NOT NULL,
	token BYTEA NOT NULL,
	seq   BIGINT NOT NULL,
	PRIMARY KEY (log, field, token, seq)
);
CREATE TABLE journal_checkpoints (
	log  TEXT NOT NULL,
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	at   BIGINT NOT NULL,
	sent BOOLEAN NOT NULL,
	PRIMARY KEY (log, size)
);
