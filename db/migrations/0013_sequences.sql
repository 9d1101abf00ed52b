-- +goose Up
-- Steps of sequences that were seen of an entity (package orient), as keyed
-- tokens. Only steps that bring it on are kept, each at most every eighth of the
-- sequence's time.
CREATE TABLE orient_steps (
	token BIGINT NOT NULL,   -- of the entity
	seq   BIGINT NOT NULL,   -- CRC-32 of the sequence and its steps
	at    BIGINT NOT NULL,   -- microseconds, of the event
	step  SMALLINT NOT NULL, -- from 1
	id    BIGINT NOT NULL,   -- token of the event's id
	PRIMARY KEY (token, seq, at, step, id)
);
CREATE INDEX orient_steps_at ON orient_steps (at);
