-- +goose Up
-- What counters are derived from. Parties are keyed tokens, never plain values.
CREATE TABLE orient_events (
	site     TEXT NOT NULL,
	id       TEXT NOT NULL,
	kind     TEXT NOT NULL,
	at       BIGINT NOT NULL,
	attempt  TEXT NOT NULL,
	success  BIGINT NOT NULL,
	amount   BIGINT NOT NULL,
	quantity BIGINT NOT NULL,
	tokens   BYTEA NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE TABLE orient_marks (
	site   TEXT NOT NULL,
	entity TEXT NOT NULL,
	token  BYTEA NOT NULL,
	at     BIGINT NOT NULL,
	id     TEXT NOT NULL,
	PRIMARY KEY (site, entity, token, at, id)
);
CREATE TABLE orient_seen (
	site     TEXT NOT NULL,
	entity   TEXT NOT NULL,
	token    BYTEA NOT NULL,
	first_at BIGINT NOT NULL,
	PRIMARY KEY (site, entity, token)
);
CREATE TABLE orient_hours (
	site     TEXT NOT NULL,
	entity   TEXT NOT NULL,
	token    BYTEA NOT NULL,
	kind     TEXT NOT NULL,
	hour     BIGINT NOT NULL,
	n        BIGINT NOT NULL,
	failed   BIGINT NOT NULL,
	amount   BIGINT NOT NULL,
	quantity BIGINT NOT NULL,
	PRIMARY KEY (site, entity, token, kind, hour)
);
