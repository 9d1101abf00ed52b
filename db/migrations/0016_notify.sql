-- +goose Up
-- What people are told (package notify): one row for what happened, however often
-- it happened within a group's window. Texts are short, cleaned and without what
-- identifies a customer.
CREATE TABLE notify_notices (
	id            TEXT PRIMARY KEY,
	site          TEXT NOT NULL,    -- "" for the instance
	severity      SMALLINT NOT NULL, -- 1 low, 2 middle, 3 high
	key           TEXT NOT NULL,
	words         TEXT NOT NULL,    -- JSON: title, text, next in ja and en; link
	at            BIGINT NOT NULL,  -- microseconds, of the first
	last_at       BIGINT NOT NULL,
	last_id       TEXT NOT NULL,    -- the one counted last, which is not counted twice
	count         BIGINT NOT NULL,
	acked_at      BIGINT NOT NULL,  -- 0: not acknowledged
	acked_by      TEXT NOT NULL,
	step          BIGINT NOT NULL,  -- how many steps of the escalation were taken
	escalate_at   BIGINT NOT NULL   -- 0: no more
);
CREATE INDEX notify_notices_at ON notify_notices (site, at);
CREATE INDEX notify_notices_escalate ON notify_notices (escalate_at);
-- The open group of a key: what comes before its end is counted there.
CREATE TABLE notify_groups (
	site      TEXT NOT NULL,
	key       TEXT NOT NULL,
	notice    TEXT NOT NULL,
	ends_at   BIGINT NOT NULL,
	PRIMARY KEY (site, key)
);
-- What is to be sent to whom. id is also the idempotency key and the local part
-- of the Message-ID, so that what is sent twice after a crash is known as one.
CREATE TABLE notify_outbox (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	kind       TEXT NOT NULL,     -- first, more, escalation, summary, message
	notice     TEXT NOT NULL,     -- "" for summaries and messages
	severity   SMALLINT NOT NULL,
	scope      TEXT NOT NULL,     -- the site whose notify.yaml names the receiver, "" for the shared one
	receiver   TEXT NOT NULL,     -- a name there; the address is looked up when sending
	channel    TEXT NOT NULL,     -- mail, hook
	body       TEXT NOT NULL,     -- of a message, emptied when it is sent
	made_at    BIGINT NOT NULL,
	due        BIGINT NOT NULL,
	state      TEXT NOT NULL,     -- waiting, sending, sent, folded, dropped, failed
	owner      TEXT NOT NULL,     -- of the lease
	lease_ends BIGINT NOT NULL,
	tries      BIGINT NOT NULL,
	counted    BIGINT NOT NULL,   -- how many the notice counted when it was sent
	error      TEXT NOT NULL,
	sent_at    BIGINT NOT NULL,   -- when it was given out last
	folded_in  TEXT NOT NULL      -- id of the summary that tells it
);
CREATE INDEX notify_outbox_due ON notify_outbox (state, channel, due);
CREATE INDEX notify_outbox_receiver ON notify_outbox (scope, receiver, channel, sent_at);
CREATE INDEX notify_outbox_notice ON notify_outbox (notice);
CREATE INDEX notify_outbox_folded ON notify_outbox (folded_in);
-- Its one row is what nodes wait for while one of them takes work.
CREATE TABLE notify_turn (
	id TEXT PRIMARY KEY,
	n  BIGINT NOT NULL
);
