-- +goose Up
-- The shop's people and how they sign in to Noren (package staff). What names a
-- person is sealed, as are password hashes and second factors; a mail address is
-- found by its keyed token; of secrets that are handed out only hashes are kept.

-- version rises with every change that a signed-in person must feel at once.
CREATE TABLE staff_state (
	id      BIGINT PRIMARY KEY,
	version BIGINT NOT NULL
);
INSERT INTO staff_state (id, version) VALUES (1, 0);
CREATE TABLE staff_people (
	id           TEXT PRIMARY KEY,
	mail         BYTEA NOT NULL, -- keyed token
	sealed       BYTEA NOT NULL, -- name and mail address
	password     BYTEA NOT NULL, -- sealed argon2id hash as a PHC string
	created_at   BIGINT NOT NULL,
	signed_in_at BIGINT,
	removed_at   BIGINT
);
CREATE UNIQUE INDEX staff_people_mail ON staff_people (mail) WHERE removed_at IS NULL;
CREATE TABLE staff_roles (
	person TEXT NOT NULL,
	site   TEXT NOT NULL, -- '' for all sites
	role   TEXT NOT NULL,
	PRIMARY KEY (person, site)
);
-- step is the last time step whose code was used, so that none is used twice.
CREATE TABLE staff_factors (
	id         TEXT PRIMARY KEY,
	person     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	step       BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX staff_factors_person ON staff_factors (person);
CREATE TABLE staff_recovery (
	person  TEXT NOT NULL,
	code    BYTEA NOT NULL, -- keyed token
	used_at BIGINT,
	PRIMARY KEY (person, code)
);
CREATE TABLE staff_sessions (
	id           TEXT PRIMARY KEY,
	token        BYTEA NOT NULL,
	person       TEXT NOT NULL,
	sealed       BYTEA NOT NULL, -- address and browser
	created_at   BIGINT NOT NULL,
	seen_at      BIGINT NOT NULL,
	confirmed_at BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	ended_at     BIGINT
);
CREATE UNIQUE INDEX staff_sessions_token ON staff_sessions (token);
CREATE INDEX staff_sessions_person ON staff_sessions (person);
-- A sign-in between password and second factor.
CREATE TABLE staff_tickets (
	token      BYTEA PRIMARY KEY,
	browser    BYTEA NOT NULL,
	person     TEXT NOT NULL,
	tries      BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
-- Browsers in which somebody signed in fully before.
CREATE TABLE staff_devices (
	token      BYTEA PRIMARY KEY,
	person     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX staff_devices_person ON staff_devices (person);
CREATE TABLE staff_links (
	id         TEXT PRIMARY KEY,
	token      BYTEA NOT NULL,
	kind       TEXT NOT NULL, -- owner, invite, reset
	person     TEXT NOT NULL, -- whom a reset is for
	made_by    TEXT NOT NULL, -- a person's id; '' at the machine
	sealed     BYTEA NOT NULL, -- mail address and roles
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	closed_at  BIGINT -- used or withdrawn
);
CREATE UNIQUE INDEX staff_links_token ON staff_links (token);
-- Tries so far, as the time at which all of them are forgotten (GCRA).
CREATE TABLE staff_throttle (
	key BYTEA PRIMARY KEY,
	tat BIGINT NOT NULL
);
