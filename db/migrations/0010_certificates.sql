-- +goose Up
-- What the ACME client keeps: account, certificates with their keys, challenges
-- under way. Names and values are sealed; id is the vault's token of the name.
CREATE TABLE acme_values (
	id         TEXT PRIMARY KEY,
	sealed     BYTEA NOT NULL,
	changed_at BIGINT NOT NULL
);
-- Who is obtaining what. beat rises while the owner lives; one whose beat stands
-- still for a lease is gone, and nobody's clock is compared with another's.
CREATE TABLE acme_locks (
	id    TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	beat  BIGINT NOT NULL
);
-- What was seen of each host's certificate last, and which warning was given for
-- it, so that one node says it once.
CREATE TABLE gateway_certificates (
	host        TEXT PRIMARY KEY,
	site        TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	not_after   BIGINT NOT NULL,
	warned      BIGINT NOT NULL,
	grade       TEXT NOT NULL,
	problem     TEXT NOT NULL,
	seen_at     BIGINT NOT NULL
);
