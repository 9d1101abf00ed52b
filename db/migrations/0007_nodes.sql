-- +goose Up
-- Nodes that serve from this database, and how far their clocks are ahead of its own.
CREATE TABLE nodes (
	id      TEXT PRIMARY KEY,
	seen_at BIGINT NOT NULL,
	ahead   BIGINT NOT NULL
);
