-- +goose Up
-- Keys, all wrapped by the root key, which is not in the database.
CREATE TABLE vault_keys (
	id         TEXT PRIMARY KEY,
	purpose    TEXT NOT NULL,
	state      TEXT NOT NULL,
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE vault_subject_keys (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	subject    BYTEA NOT NULL,
	month      TEXT NOT NULL,
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX vault_subject_keys_subject ON vault_subject_keys (site, subject, month);
CREATE INDEX vault_subject_keys_month ON vault_subject_keys (month);
CREATE TABLE vault_erasures (
	id      TEXT PRIMARY KEY,
	site    TEXT NOT NULL,
	subject BYTEA NOT NULL,
	at      BIGINT NOT NULL,
	reason  TEXT NOT NULL,
	keys    BIGINT NOT NULL
);
CREATE INDEX vault_erasures_subject ON vault_erasures (site, subject);
CREATE TABLE vault_state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
