-- +goose Up
-- What a site is switched to by hand; no row is the ordinary mode.
CREATE TABLE gateway_modes (
	site       TEXT PRIMARY KEY,
	mode       TEXT NOT NULL,
	admit      BIGINT NOT NULL,
	until      BIGINT,
	changed_at BIGINT NOT NULL
);
