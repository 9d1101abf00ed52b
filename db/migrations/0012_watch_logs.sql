-- +goose Up
-- How far logs beside Noren are read (package watch/logs), per machine: which
-- file it is, the first byte not read yet, and what came of the lines so far.
CREATE TABLE watch_logs (
	node            TEXT NOT NULL,
	site            TEXT NOT NULL,
	path            TEXT NOT NULL,
	inode           BIGINT NOT NULL,
	position        BIGINT NOT NULL,
	fingerprint     TEXT NOT NULL,  -- SHA-256 of the file's first bytes
	fingerprint_len BIGINT NOT NULL, -- how many
	lines           BIGINT NOT NULL,
	bad             BIGINT NOT NULL,
	raised          BIGINT NOT NULL,
	left_out        TEXT NOT NULL,   -- JSON: number of lines by why nothing was raised
	line_at         BIGINT NOT NULL, -- time of the last line, as it tells it
	read_at         BIGINT NOT NULL,
	note            TEXT NOT NULL,   -- what is wrong, "" for nothing
	PRIMARY KEY (node, site, path)
);
