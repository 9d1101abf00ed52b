-- +goose Up
-- Named places of a site. A row never changes but for its seal and its end; a
-- change of a place is a new row.
CREATE TABLE gateway_places (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	token      BYTEA NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	sealed_at  BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	noted_at   BIGINT,
	ended_at   BIGINT
);
CREATE UNIQUE INDEX gateway_places_name ON gateway_places (site, token) WHERE ended_at IS NULL;
-- Access rules opened by hand for a while.
CREATE TABLE gateway_openings (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	token      BYTEA NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	sealed_at  BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	noted_at   BIGINT,
	ended_at   BIGINT
);
-- Changes in force that are taken back by themselves unless confirmed in time.
-- made and undo are ids, so nothing personal stands here.
CREATE TABLE settings_trials (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	site       TEXT NOT NULL,
	made       TEXT NOT NULL,
	undo       TEXT NOT NULL,
	due        BIGINT NOT NULL,
	claimed_at BIGINT NOT NULL,
	state      TEXT NOT NULL
);
CREATE INDEX settings_trials_open ON settings_trials (state, due);
