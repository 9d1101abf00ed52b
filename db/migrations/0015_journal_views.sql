-- +goose Up
-- What the console counts and finds by, derived from journal_entries (package
-- journal, rollup.go). Nothing here is evidence, nothing is personal, and all of
-- it can be made again: noren journal rollup --rebuild.
CREATE TABLE journal_rolled (
	log        TEXT PRIMARY KEY,
	version    BIGINT NOT NULL, -- of the way it is counted
	gen        BIGINT NOT NULL, -- groups of another generation wait to be deleted
	total      BIGINT NOT NULL, -- the group that counts every entry
	next_grp   BIGINT NOT NULL,
	low        BIGINT NOT NULL, -- entries low to high-1 are in
	high       BIGINT NOT NULL,
	hours_from BIGINT NOT NULL, -- hours before are no longer kept
	updated_at BIGINT NOT NULL
);
CREATE TABLE journal_groups (
	log     TEXT NOT NULL,
	grp     BIGINT NOT NULL,
	gen     BIGINT NOT NULL,
	kind    TEXT NOT NULL, -- '' for the group that counts every entry
	zone    TEXT NOT NULL,
	verdict TEXT NOT NULL,
	rule    TEXT NOT NULL, -- '*' for the rules that are too many
	PRIMARY KEY (log, grp)
);
CREATE TABLE journal_hours (
	log       TEXT NOT NULL,
	grp       BIGINT NOT NULL,
	hour      BIGINT NOT NULL, -- hours since 1970
	entries   BIGINT NOT NULL,
	events    BIGINT NOT NULL, -- that the entries stand for
	first_seq BIGINT NOT NULL,
	last_seq  BIGINT NOT NULL,
	PRIMARY KEY (log, grp, hour)
);
CREATE TABLE journal_days (
	log       TEXT NOT NULL,
	grp       BIGINT NOT NULL,
	day       BIGINT NOT NULL, -- days since 1970 in Japan
	entries   BIGINT NOT NULL,
	events    BIGINT NOT NULL,
	first_seq BIGINT NOT NULL,
	last_seq  BIGINT NOT NULL,
	PRIMARY KEY (log, grp, day)
);
-- Which of a span of 16,384 entries are of a group.
CREATE TABLE journal_spans (
	log     TEXT NOT NULL,
	grp     BIGINT NOT NULL,
	span    BIGINT NOT NULL,
	entries BIGINT NOT NULL,
	seqs    BYTEA NOT NULL, -- uvarints, each the distance to the one before; empty when there are too many
	PRIMARY KEY (log, grp, span)
);
