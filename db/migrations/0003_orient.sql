-- +goose Up
-- What counters are derived from (package orient). Parties are 64-bit keyed
-- tokens, never names or addresses. One event is one row; its parties that
-- every shop has are columns, each with an index that leaves out the rows
-- without it, which is a third of the size of a row per party.
CREATE TABLE orient_events (
	id       BIGINT PRIMARY KEY, -- token of the event's id
	attempt  BIGINT,             -- token of its attempt id, when that is another one
	grp      SMALLINT NOT NULL,  -- 1 sign-in, 2 change, 3 order, 4 payment, 5 staff action, 6 staff sign-in
	at       BIGINT NOT NULL,    -- microseconds
	ok       BOOLEAN NOT NULL,   -- known to have succeeded; an attempt may be settled later
	amount   BIGINT NOT NULL,
	quantity BIGINT NOT NULL,
	site     BIGINT NOT NULL,
	account  BIGINT,
	device   BIGINT,
	address  BIGINT,
	net      BIGINT,
	asn      BIGINT,
	country  BIGINT,
	card     BIGINT,
	bin      BIGINT,
	item     BIGINT
);
CREATE INDEX orient_events_attempt ON orient_events (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX orient_events_site ON orient_events (site, at);
CREATE INDEX orient_events_account ON orient_events (account, at) WHERE account IS NOT NULL;
CREATE INDEX orient_events_device ON orient_events (device, at) WHERE device IS NOT NULL;
CREATE INDEX orient_events_address ON orient_events (address, at) WHERE address IS NOT NULL;
CREATE INDEX orient_events_net ON orient_events (net, at) WHERE net IS NOT NULL;
CREATE INDEX orient_events_asn ON orient_events (asn, at) WHERE asn IS NOT NULL;
CREATE INDEX orient_events_country ON orient_events (country, at) WHERE country IS NOT NULL;
CREATE INDEX orient_events_card ON orient_events (card, at) WHERE card IS NOT NULL;
CREATE INDEX orient_events_bin ON orient_events (bin, at) WHERE bin IS NOT NULL;
CREATE INDEX orient_events_item ON orient_events (item, at) WHERE item IS NOT NULL;
-- Attempts whose outcome was a success; one without is reserved or failed,
-- which counts the same.
CREATE TABLE orient_settles (
	id BIGINT PRIMARY KEY -- of orient_events
);
-- Parties without a column: sessions, staff, mail, declared ones, and those
-- that only the outcome of an attempt named.
CREATE TABLE orient_links (
	token  BIGINT NOT NULL,
	at     BIGINT NOT NULL, -- of the event
	id     BIGINT NOT NULL, -- of orient_events
	entity BIGINT NOT NULL, -- CRC-32 of the entity's name
	PRIMARY KEY (token, at, id)
);
CREATE INDEX orient_links_id ON orient_links (id);
-- Whole hours of coarse parties: site, net, asn, country, bin, item.
CREATE TABLE orient_hours (
	token    BIGINT NOT NULL,
	grp      SMALLINT NOT NULL,
	hour     BIGINT NOT NULL, -- hours since 1970
	n        BIGINT NOT NULL,
	failed   BIGINT NOT NULL,
	amount   BIGINT NOT NULL,
	quantity BIGINT NOT NULL,
	PRIMARY KEY (token, grp, hour)
);
-- Events that orient_hours does not hold yet, or not as they are now. An hour
-- with a row here is counted from orient_events.
CREATE TABLE orient_inbox (
	site BIGINT NOT NULL,
	hour BIGINT NOT NULL,
	id   BIGINT NOT NULL, -- of orient_events
	PRIMARY KEY (site, hour, id)
);
