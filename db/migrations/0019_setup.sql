-- +goose Up
-- Steps of a site's set-up that a person decided by hand: "open from everywhere, on
-- purpose". Everything else about the set-up is seen from what is in force.
CREATE TABLE settings_settled (
	site   TEXT NOT NULL,
	step   TEXT NOT NULL,
	at     BIGINT NOT NULL,
	author TEXT NOT NULL,
	PRIMARY KEY (site, step)
);
-- The version of the settings that a node works by.
ALTER TABLE nodes ADD COLUMN settings TEXT NOT NULL DEFAULT '';
