CREATE TABLE acme_locks (
	id    TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	beat  BIGINT NOT NULL
);
CREATE TABLE acme_values (
	id         TEXT PRIMARY KEY,
	sealed     BYTEA NOT NULL,
	changed_at BIGINT NOT NULL
);
CREATE TABLE gateway_certificates (
	host        TEXT PRIMARY KEY,
	site        TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	not_after   BIGINT NOT NULL,
	warned      BIGINT NOT NULL,
	grade       TEXT NOT NULL,
	problem     TEXT NOT NULL,
	seen_at     BIGINT NOT NULL
);
CREATE TABLE gateway_lists (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	list       TEXT NOT NULL,
	token      BYTEA NOT NULL,
	subject    BYTEA NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	sealed_at  BIGINT NOT NULL,
	policy     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	lifted_at  BIGINT
);
CREATE INDEX gateway_lists_site ON gateway_lists (site, list);
CREATE TABLE gateway_modes (
	site       TEXT PRIMARY KEY,
	mode       TEXT NOT NULL,
	admit      BIGINT NOT NULL,
	until      BIGINT,
	changed_at BIGINT NOT NULL
, sealed_key TEXT, sealed BYTEA);
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
CREATE TABLE gateway_switches (
	site       TEXT NOT NULL,
	name       TEXT NOT NULL,
	until      BIGINT,
	changed_at BIGINT NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	PRIMARY KEY (site, name)
);
CREATE TABLE gateway_version (
	site TEXT PRIMARY KEY,
	n    BIGINT NOT NULL
);
CREATE TABLE journal_checkpoints (
	log  TEXT NOT NULL,
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	at   BIGINT NOT NULL,
	sent BOOLEAN NOT NULL,
	PRIMARY KEY (log, size)
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
CREATE TABLE journal_entries (
	log     TEXT NOT NULL,
	seq     BIGINT NOT NULL,
	id      TEXT NOT NULL,
	at      BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	site    TEXT NOT NULL,
	zone    TEXT NOT NULL,
	verdict TEXT NOT NULL,
	rule    TEXT NOT NULL,
	count   BIGINT NOT NULL,
	body    BYTEA NOT NULL,
	PRIMARY KEY (log, seq),
	UNIQUE (log, id)
);
CREATE INDEX journal_entries_at ON journal_entries (log, at);
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
CREATE TABLE journal_logs (
	log        TEXT PRIMARY KEY,
	size       BIGINT NOT NULL,
	root       BYTEA NOT NULL,
	edge       BYTEA NOT NULL,
	updated_at BIGINT NOT NULL
);
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
CREATE TABLE journal_spans (
	log     TEXT NOT NULL,
	grp     BIGINT NOT NULL,
	span    BIGINT NOT NULL,
	entries BIGINT NOT NULL,
	seqs    BYTEA NOT NULL, -- uvarints, each the distance to the one before; empty when there are too many
	PRIMARY KEY (log, grp, span)
);
CREATE TABLE journal_tiles (
	log   TEXT NOT NULL,
	level INTEGER NOT NULL,
	n     BIGINT NOT NULL,
	data  BYTEA NOT NULL,
	PRIMARY KEY (log, level, n)
);
CREATE TABLE journal_tokens (
	log   TEXT NOT NULL,
	field TEXT NOT NULL,
	token BYTEA NOT NULL,
	seq   BIGINT NOT NULL,
	PRIMARY KEY (log, field, token, seq)
);
CREATE TABLE loop_actions (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	kind       TEXT NOT NULL,
	sealed_key TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	done_at    BIGINT,
	entry      TEXT NOT NULL
);
CREATE INDEX loop_actions_open ON loop_actions (expires_at) WHERE done_at IS NULL;
CREATE TABLE nodes (
	id      TEXT PRIMARY KEY,
	seen_at BIGINT NOT NULL,
	ahead   BIGINT NOT NULL
, settings TEXT NOT NULL DEFAULT '');
CREATE TABLE notify_groups (
	site      TEXT NOT NULL,
	key       TEXT NOT NULL,
	notice    TEXT NOT NULL,
	ends_at   BIGINT NOT NULL,
	PRIMARY KEY (site, key)
);
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
CREATE INDEX notify_outbox_folded ON notify_outbox (folded_in);
CREATE INDEX notify_outbox_notice ON notify_outbox (notice);
CREATE INDEX notify_outbox_receiver ON notify_outbox (scope, receiver, channel, sent_at);
CREATE TABLE notify_turn (
	id TEXT PRIMARY KEY,
	n  BIGINT NOT NULL
);
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
CREATE INDEX orient_events_account ON orient_events (account, at) WHERE account IS NOT NULL;
CREATE INDEX orient_events_address ON orient_events (address, at) WHERE address IS NOT NULL;
CREATE INDEX orient_events_asn ON orient_events (asn, at) WHERE asn IS NOT NULL;
CREATE INDEX orient_events_attempt ON orient_events (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX orient_events_bin ON orient_events (bin, at) WHERE bin IS NOT NULL;
CREATE INDEX orient_events_card ON orient_events (card, at) WHERE card IS NOT NULL;
CREATE INDEX orient_events_country ON orient_events (country, at) WHERE country IS NOT NULL;
CREATE INDEX orient_events_device ON orient_events (device, at) WHERE device IS NOT NULL;
CREATE INDEX orient_events_item ON orient_events (item, at) WHERE item IS NOT NULL;
CREATE INDEX orient_events_net ON orient_events (net, at) WHERE net IS NOT NULL;
CREATE INDEX orient_events_site ON orient_events (site, at);
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
CREATE TABLE orient_inbox (
	site BIGINT NOT NULL,
	hour BIGINT NOT NULL,
	id   BIGINT NOT NULL, -- of orient_events
	PRIMARY KEY (site, hour, id)
);
CREATE TABLE orient_links (
	token  BIGINT NOT NULL,
	at     BIGINT NOT NULL, -- of the event
	id     BIGINT NOT NULL, -- of orient_events
	entity BIGINT NOT NULL, -- CRC-32 of the entity's name
	PRIMARY KEY (token, at, id)
);
CREATE INDEX orient_links_id ON orient_links (id);
CREATE TABLE orient_settles (
	id BIGINT PRIMARY KEY -- of orient_events
);
CREATE TABLE orient_steps (
	token BIGINT NOT NULL,   -- of the entity
	seq   BIGINT NOT NULL,   -- CRC-32 of the sequence and its steps
	at    BIGINT NOT NULL,   -- microseconds, of the event
	step  SMALLINT NOT NULL, -- from 1
	id    BIGINT NOT NULL,   -- token of the event's id
	PRIMARY KEY (token, seq, at, step, id)
);
CREATE INDEX orient_steps_at ON orient_steps (at);
CREATE TABLE settings_current (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	id  TEXT NOT NULL REFERENCES settings_versions (id)
);
CREATE TABLE settings_settled (
	site   TEXT NOT NULL,
	step   TEXT NOT NULL,
	at     BIGINT NOT NULL,
	author TEXT NOT NULL,
	PRIMARY KEY (site, step)
);
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
CREATE TABLE settings_versions (
	id     TEXT PRIMARY KEY,
	n      BIGINT NOT NULL UNIQUE,
	at     BIGINT NOT NULL,
	author TEXT NOT NULL,
	reason TEXT NOT NULL,
	hash   TEXT NOT NULL,
	files  TEXT NOT NULL
);
CREATE TABLE staff_devices (
	token      BYTEA PRIMARY KEY,
	person     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX staff_devices_person ON staff_devices (person);
CREATE TABLE staff_factors (
	id         TEXT PRIMARY KEY,
	person     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	step       BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX staff_factors_person ON staff_factors (person);
CREATE TABLE staff_links (
	id         TEXT PRIMARY KEY,
	token      BYTEA NOT NULL,
	kind       TEXT NOT NULL, -- owner, invite, reset
	person     TEXT NOT NULL, -- whom a reset is for
	made_by    TEXT NOT NULL, -- a person's id; '' at the machine
	sealed     BYTEA NOT NULL, -- mail address and roles
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	closed_at  BIGINT -- used or withdrawn
);
CREATE UNIQUE INDEX staff_links_token ON staff_links (token);
CREATE TABLE staff_people (
	id           TEXT PRIMARY KEY,
	mail         BYTEA NOT NULL, -- keyed token
	sealed       BYTEA NOT NULL, -- name and mail address
	password     BYTEA NOT NULL, -- sealed argon2id hash as a PHC string
	created_at   BIGINT NOT NULL,
	signed_in_at BIGINT,
	removed_at   BIGINT
);
CREATE UNIQUE INDEX staff_people_mail ON staff_people (mail) WHERE removed_at IS NULL;
CREATE TABLE staff_recovery (
	person  TEXT NOT NULL,
	code    BYTEA NOT NULL, -- keyed token
	used_at BIGINT,
	PRIMARY KEY (person, code)
);
CREATE TABLE staff_roles (
	person TEXT NOT NULL,
	site   TEXT NOT NULL, -- '' for all sites
	role   TEXT NOT NULL,
	PRIMARY KEY (person, site)
);
CREATE TABLE staff_sessions (
	id           TEXT PRIMARY KEY,
	token        BYTEA NOT NULL,
	person       TEXT NOT NULL,
	sealed       BYTEA NOT NULL, -- address and browser
	created_at   BIGINT NOT NULL,
	seen_at      BIGINT NOT NULL,
	confirmed_at BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	ended_at     BIGINT
);
CREATE INDEX staff_sessions_person ON staff_sessions (person);
CREATE UNIQUE INDEX staff_sessions_token ON staff_sessions (token);
CREATE TABLE staff_state (
	id      BIGINT PRIMARY KEY,
	version BIGINT NOT NULL
);
CREATE TABLE staff_throttle (
	key BYTEA PRIMARY KEY,
	tat BIGINT NOT NULL
);
CREATE TABLE staff_tickets (
	token      BYTEA PRIMARY KEY,
	browser    BYTEA NOT NULL,
	person     TEXT NOT NULL,
	tries      BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE TABLE vault_erasures (
	id      TEXT PRIMARY KEY,
	site    TEXT NOT NULL,
	subject BYTEA NOT NULL,
	at      BIGINT NOT NULL,
	reason  TEXT NOT NULL,
	keys    BIGINT NOT NULL
);
CREATE INDEX vault_erasures_subject ON vault_erasures (site, subject);
CREATE TABLE vault_keys (
	id         TEXT PRIMARY KEY,
	purpose    TEXT NOT NULL,
	state      TEXT NOT NULL,
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE vault_state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE vault_subject_keys (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	subject    BYTEA NOT NULL,
	month      TEXT NOT NULL,
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX vault_subject_keys_month ON vault_subject_keys (month);
CREATE INDEX vault_subject_keys_subject ON vault_subject_keys (site, subject, month);
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
