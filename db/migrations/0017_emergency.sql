-- +goose Up
-- Parts of a site that are stopped in an emergency; no row is not stopped. Who
-- and why are sealed.
CREATE TABLE gateway_switches (
	site       TEXT NOT NULL,
	name       TEXT NOT NULL,
	until      BIGINT,
	changed_at BIGINT NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	PRIMARY KEY (site, name)
);
-- The same for the modes, which stood without.
ALTER TABLE gateway_modes ADD COLUMN sealed_key TEXT;
ALTER TABLE gateway_modes ADD COLUMN sealed BYTEA;
