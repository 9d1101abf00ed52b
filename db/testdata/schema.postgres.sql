acme_locks.id text NOT NULL
acme_locks.owner text NOT NULL
acme_locks.beat bigint NOT NULL
acme_locks PRIMARY KEY (id)
CREATE UNIQUE INDEX acme_locks_pkey ON acme_locks USING btree (id)
acme_values.id text NOT NULL
acme_values.sealed bytea NOT NULL
acme_values.changed_at bigint NOT NULL
acme_values PRIMARY KEY (id)
CREATE UNIQUE INDEX acme_values_pkey ON acme_values USING btree (id)
gateway_certificates.host text NOT NULL
gateway_certificates.site text NOT NULL
gateway_certificates.fingerprint text NOT NULL
gateway_certificates.not_after bigint NOT NULL
gateway_certificates.warned bigint NOT NULL
gateway_certificates.grade text NOT NULL
gateway_certificates.problem text NOT NULL
gateway_certificates.seen_at bigint NOT NULL
gateway_certificates PRIMARY KEY (host)
CREATE UNIQUE INDEX gateway_certificates_pkey ON gateway_certificates USING btree (host)
gateway_lists.id text NOT NULL
gateway_lists.site text NOT NULL
gateway_lists.list text NOT NULL
gateway_lists.token bytea NOT NULL
gateway_lists.subject bytea NOT NULL
gateway_lists.sealed_key text NOT NULL
gateway_lists.sealed bytea NOT NULL
gateway_lists.sealed_at bigint NOT NULL
gateway_lists.policy text NOT NULL
gateway_lists.created_at bigint NOT NULL
gateway_lists.expires_at bigint
gateway_lists.lifted_at bigint
gateway_lists PRIMARY KEY (id)
CREATE UNIQUE INDEX gateway_lists_pkey ON gateway_lists USING btree (id)
CREATE INDEX gateway_lists_site ON gateway_lists USING btree (site, list)
gateway_modes.site text NOT NULL
gateway_modes.mode text NOT NULL
gateway_modes.admit bigint NOT NULL
gateway_modes.until bigint
gateway_modes.changed_at bigint NOT NULL
gateway_modes.sealed_key text
gateway_modes.sealed bytea
gateway_modes PRIMARY KEY (site)
CREATE UNIQUE INDEX gateway_modes_pkey ON gateway_modes USING btree (site)
gateway_openings.id text NOT NULL
gateway_openings.site text NOT NULL
gateway_openings.token bytea NOT NULL
gateway_openings.sealed_key text NOT NULL
gateway_openings.sealed bytea NOT NULL
gateway_openings.sealed_at bigint NOT NULL
gateway_openings.created_at bigint NOT NULL
gateway_openings.expires_at bigint
gateway_openings.noted_at bigint
gateway_openings.ended_at bigint
gateway_openings PRIMARY KEY (id)
CREATE UNIQUE INDEX gateway_openings_pkey ON gateway_openings USING btree (id)
gateway_places.id text NOT NULL
gateway_places.site text NOT NULL
gateway_places.token bytea NOT NULL
gateway_places.sealed_key text NOT NULL
gateway_places.sealed bytea NOT NULL
gateway_places.sealed_at bigint NOT NULL
gateway_places.created_at bigint NOT NULL
gateway_places.expires_at bigint
gateway_places.noted_at bigint
gateway_places.ended_at bigint
gateway_places PRIMARY KEY (id)
CREATE UNIQUE INDEX gateway_places_name ON gateway_places USING btree (site, token) WHERE (ended_at IS NULL)
CREATE UNIQUE INDEX gateway_places_pkey ON gateway_places USING btree (id)
gateway_switches.site text NOT NULL
gateway_switches.name text NOT NULL
gateway_switches.until bigint
gateway_switches.changed_at bigint NOT NULL
gateway_switches.sealed_key text NOT NULL
gateway_switches.sealed bytea NOT NULL
gateway_switches PRIMARY KEY (site, name)
CREATE UNIQUE INDEX gateway_switches_pkey ON gateway_switches USING btree (site, name)
gateway_version.site text NOT NULL
gateway_version.n bigint NOT NULL
gateway_version PRIMARY KEY (site)
CREATE UNIQUE INDEX gateway_version_pkey ON gateway_version USING btree (site)
journal_checkpoints.log text NOT NULL
journal_checkpoints.size bigint NOT NULL
journal_checkpoints.note text NOT NULL
journal_checkpoints.at bigint NOT NULL
journal_checkpoints.sent boolean NOT NULL
journal_checkpoints PRIMARY KEY (log, size)
CREATE UNIQUE INDEX journal_checkpoints_pkey ON journal_checkpoints USING btree (log, size)
journal_days.log text NOT NULL
journal_days.grp bigint NOT NULL
journal_days.day bigint NOT NULL
journal_days.entries bigint NOT NULL
journal_days.events bigint NOT NULL
journal_days.first_seq bigint NOT NULL
journal_days.last_seq bigint NOT NULL
journal_days PRIMARY KEY (log, grp, day)
CREATE UNIQUE INDEX journal_days_pkey ON journal_days USING btree (log, grp, day)
journal_entries.log text NOT NULL
journal_entries.seq bigint NOT NULL
journal_entries.id text NOT NULL
journal_entries.at bigint NOT NULL
journal_entries.kind text NOT NULL
journal_entries.site text NOT NULL
journal_entries.zone text NOT NULL
journal_entries.verdict text NOT NULL
journal_entries.rule text NOT NULL
journal_entries.count bigint NOT NULL
journal_entries.body bytea NOT NULL
journal_entries UNIQUE (log, id)
journal_entries PRIMARY KEY (log, seq)
CREATE INDEX journal_entries_at ON journal_entries USING btree (log, at)
CREATE UNIQUE INDEX journal_entries_log_id_key ON journal_entries USING btree (log, id)
CREATE UNIQUE INDEX journal_entries_pkey ON journal_entries USING btree (log, seq)
journal_groups.log text NOT NULL
journal_groups.grp bigint NOT NULL
journal_groups.gen bigint NOT NULL
journal_groups.kind text NOT NULL
journal_groups.zone text NOT NULL
journal_groups.verdict text NOT NULL
journal_groups.rule text NOT NULL
journal_groups PRIMARY KEY (log, grp)
CREATE UNIQUE INDEX journal_groups_pkey ON journal_groups USING btree (log, grp)
journal_hours.log text NOT NULL
journal_hours.grp bigint NOT NULL
journal_hours.hour bigint NOT NULL
journal_hours.entries bigint NOT NULL
journal_hours.events bigint NOT NULL
journal_hours.first_seq bigint NOT NULL
journal_hours.last_seq bigint NOT NULL
journal_hours PRIMARY KEY (log, grp, hour)
CREATE UNIQUE INDEX journal_hours_pkey ON journal_hours USING btree (log, grp, hour)
journal_logs.log text NOT NULL
journal_logs.size bigint NOT NULL
journal_logs.root bytea NOT NULL
journal_logs.edge bytea NOT NULL
journal_logs.updated_at bigint NOT NULL
journal_logs PRIMARY KEY (log)
CREATE UNIQUE INDEX journal_logs_pkey ON journal_logs USING btree (log)
journal_rolled.log text NOT NULL
journal_rolled.version bigint NOT NULL
journal_rolled.gen bigint NOT NULL
journal_rolled.total bigint NOT NULL
journal_rolled.next_grp bigint NOT NULL
journal_rolled.low bigint NOT NULL
journal_rolled.high bigint NOT NULL
journal_rolled.hours_from bigint NOT NULL
journal_rolled.updated_at bigint NOT NULL
journal_rolled PRIMARY KEY (log)
CREATE UNIQUE INDEX journal_rolled_pkey ON journal_rolled USING btree (log)
journal_spans.log text NOT NULL
journal_spans.grp bigint NOT NULL
journal_spans.span bigint NOT NULL
journal_spans.entries bigint NOT NULL
journal_spans.seqs bytea NOT NULL
journal_spans PRIMARY KEY (log, grp, span)
CREATE UNIQUE INDEX journal_spans_pkey ON journal_spans USING btree (log, grp, span)
journal_tiles.log text NOT NULL
journal_tiles.level integer NOT NULL
journal_tiles.n bigint NOT NULL
journal_tiles.data bytea NOT NULL
journal_tiles PRIMARY KEY (log, level, n)
CREATE UNIQUE INDEX journal_tiles_pkey ON journal_tiles USING btree (log, level, n)
journal_tokens.log text NOT NULL
journal_tokens.field text NOT NULL
journal_tokens.token bytea NOT NULL
journal_tokens.seq bigint NOT NULL
journal_tokens PRIMARY KEY (log, field, token, seq)
CREATE UNIQUE INDEX journal_tokens_pkey ON journal_tokens USING btree (log, field, token, seq)
loop_actions.id text NOT NULL
loop_actions.site text NOT NULL
loop_actions.kind text NOT NULL
loop_actions.sealed_key text NOT NULL
loop_actions.sealed bytea NOT NULL
loop_actions.expires_at bigint NOT NULL
loop_actions.done_at bigint
loop_actions.entry text NOT NULL
loop_actions PRIMARY KEY (id)
CREATE INDEX loop_actions_open ON loop_actions USING btree (expires_at) WHERE (done_at IS NULL)
CREATE UNIQUE INDEX loop_actions_pkey ON loop_actions USING btree (id)
nodes.id text NOT NULL
nodes.seen_at bigint NOT NULL
nodes.ahead bigint NOT NULL
nodes.settings text NOT NULL DEFAULT ''::text
nodes PRIMARY KEY (id)
CREATE UNIQUE INDEX nodes_pkey ON nodes USING btree (id)
notify_groups.site text NOT NULL
notify_groups.key text NOT NULL
notify_groups.notice text NOT NULL
notify_groups.ends_at bigint NOT NULL
notify_groups PRIMARY KEY (site, key)
CREATE UNIQUE INDEX notify_groups_pkey ON notify_groups USING btree (site, key)
notify_notices.id text NOT NULL
notify_notices.site text NOT NULL
notify_notices.severity smallint NOT NULL
notify_notices.key text NOT NULL
notify_notices.words text NOT NULL
notify_notices.at bigint NOT NULL
notify_notices.last_at bigint NOT NULL
notify_notices.last_id text NOT NULL
notify_notices.count bigint NOT NULL
notify_notices.acked_at bigint NOT NULL
notify_notices.acked_by text NOT NULL
notify_notices.step bigint NOT NULL
notify_notices.escalate_at bigint NOT NULL
notify_notices PRIMARY KEY (id)
CREATE INDEX notify_notices_at ON notify_notices USING btree (site, at)
CREATE INDEX notify_notices_escalate ON notify_notices USING btree (escalate_at)
CREATE UNIQUE INDEX notify_notices_pkey ON notify_notices USING btree (id)
notify_outbox.id text NOT NULL
notify_outbox.site text NOT NULL
notify_outbox.kind text NOT NULL
notify_outbox.notice text NOT NULL
notify_outbox.severity smallint NOT NULL
notify_outbox.scope text NOT NULL
notify_outbox.receiver text NOT NULL
notify_outbox.channel text NOT NULL
notify_outbox.body text NOT NULL
notify_outbox.made_at bigint NOT NULL
notify_outbox.due bigint NOT NULL
notify_outbox.state text NOT NULL
notify_outbox.owner text NOT NULL
notify_outbox.lease_ends bigint NOT NULL
notify_outbox.tries bigint NOT NULL
notify_outbox.counted bigint NOT NULL
notify_outbox.error text NOT NULL
notify_outbox.sent_at bigint NOT NULL
notify_outbox.folded_in text NOT NULL
notify_outbox PRIMARY KEY (id)
CREATE INDEX notify_outbox_due ON notify_outbox USING btree (state, channel, due)
CREATE INDEX notify_outbox_folded ON notify_outbox USING btree (folded_in)
CREATE INDEX notify_outbox_notice ON notify_outbox USING btree (notice)
CREATE UNIQUE INDEX notify_outbox_pkey ON notify_outbox USING btree (id)
CREATE INDEX notify_outbox_receiver ON notify_outbox USING btree (scope, receiver, channel, sent_at)
notify_turn.id text NOT NULL
notify_turn.n bigint NOT NULL
notify_turn PRIMARY KEY (id)
CREATE UNIQUE INDEX notify_turn_pkey ON notify_turn USING btree (id)
orient_events.id bigint NOT NULL
orient_events.attempt bigint
orient_events.grp smallint NOT NULL
orient_events.at bigint NOT NULL
orient_events.ok boolean NOT NULL
orient_events.amount bigint NOT NULL
orient_events.quantity bigint NOT NULL
orient_events.site bigint NOT NULL
orient_events.account bigint
orient_events.device bigint
orient_events.address bigint
orient_events.net bigint
orient_events.asn bigint
orient_events.country bigint
orient_events.card bigint
orient_events.bin bigint
orient_events.item bigint
orient_events PRIMARY KEY (id)
CREATE INDEX orient_events_account ON orient_events USING btree (account, at) WHERE (account IS NOT NULL)
CREATE INDEX orient_events_address ON orient_events USING btree (address, at) WHERE (address IS NOT NULL)
CREATE INDEX orient_events_asn ON orient_events USING btree (asn, at) WHERE (asn IS NOT NULL)
CREATE INDEX orient_events_attempt ON orient_events USING btree (attempt) WHERE (attempt IS NOT NULL)
CREATE INDEX orient_events_bin ON orient_events USING btree (bin, at) WHERE (bin IS NOT NULL)
CREATE INDEX orient_events_card ON orient_events USING btree (card, at) WHERE (card IS NOT NULL)
CREATE INDEX orient_events_country ON orient_events USING btree (country, at) WHERE (country IS NOT NULL)
CREATE INDEX orient_events_device ON orient_events USING btree (device, at) WHERE (device IS NOT NULL)
CREATE INDEX orient_events_item ON orient_events USING btree (item, at) WHERE (item IS NOT NULL)
CREATE INDEX orient_events_net ON orient_events USING btree (net, at) WHERE (net IS NOT NULL)
CREATE UNIQUE INDEX orient_events_pkey ON orient_events USING btree (id)
CREATE INDEX orient_events_site ON orient_events USING btree (site, at)
orient_hours.token bigint NOT NULL
orient_hours.grp smallint NOT NULL
orient_hours.hour bigint NOT NULL
orient_hours.n bigint NOT NULL
orient_hours.failed bigint NOT NULL
orient_hours.amount bigint NOT NULL
orient_hours.quantity bigint NOT NULL
orient_hours PRIMARY KEY (token, grp, hour)
CREATE UNIQUE INDEX orient_hours_pkey ON orient_hours USING btree (token, grp, hour)
orient_inbox.site bigint NOT NULL
orient_inbox.hour bigint NOT NULL
orient_inbox.id bigint NOT NULL
orient_inbox PRIMARY KEY (site, hour, id)
CREATE UNIQUE INDEX orient_inbox_pkey ON orient_inbox USING btree (site, hour, id)
orient_links.token bigint NOT NULL
orient_links.at bigint NOT NULL
orient_links.id bigint NOT NULL
orient_links.entity bigint NOT NULL
orient_links PRIMARY KEY (token, at, id)
CREATE INDEX orient_links_id ON orient_links USING btree (id)
CREATE UNIQUE INDEX orient_links_pkey ON orient_links USING btree (token, at, id)
orient_settles.id bigint NOT NULL
orient_settles PRIMARY KEY (id)
CREATE UNIQUE INDEX orient_settles_pkey ON orient_settles USING btree (id)
orient_steps.token bigint NOT NULL
orient_steps.seq bigint NOT NULL
orient_steps.at bigint NOT NULL
orient_steps.step smallint NOT NULL
orient_steps.id bigint NOT NULL
orient_steps PRIMARY KEY (token, seq, at, step, id)
CREATE INDEX orient_steps_at ON orient_steps USING btree (at)
CREATE UNIQUE INDEX orient_steps_pkey ON orient_steps USING btree (token, seq, at, step, id)
settings_current.one integer NOT NULL
settings_current.id text NOT NULL
settings_current FOREIGN KEY (id) REFERENCES settings_versions(id)
settings_current CHECK ((one = 1))
settings_current PRIMARY KEY (one)
CREATE UNIQUE INDEX settings_current_pkey ON settings_current USING btree (one)
settings_settled.site text NOT NULL
settings_settled.step text NOT NULL
settings_settled.at bigint NOT NULL
settings_settled.author text NOT NULL
settings_settled PRIMARY KEY (site, step)
CREATE UNIQUE INDEX settings_settled_pkey ON settings_settled USING btree (site, step)
settings_trials.id text NOT NULL
settings_trials.kind text NOT NULL
settings_trials.site text NOT NULL
settings_trials.made text NOT NULL
settings_trials.undo text NOT NULL
settings_trials.due bigint NOT NULL
settings_trials.claimed_at bigint NOT NULL
settings_trials.state text NOT NULL
settings_trials PRIMARY KEY (id)
CREATE INDEX settings_trials_open ON settings_trials USING btree (state, due)
CREATE UNIQUE INDEX settings_trials_pkey ON settings_trials USING btree (id)
settings_versions.id text NOT NULL
settings_versions.n bigint NOT NULL
settings_versions.at bigint NOT NULL
settings_versions.author text NOT NULL
settings_versions.reason text NOT NULL
settings_versions.hash text NOT NULL
settings_versions.files text NOT NULL
settings_versions UNIQUE (n)
settings_versions PRIMARY KEY (id)
CREATE UNIQUE INDEX settings_versions_n_key ON settings_versions USING btree (n)
CREATE UNIQUE INDEX settings_versions_pkey ON settings_versions USING btree (id)
staff_devices.token bytea NOT NULL
staff_devices.person text NOT NULL
staff_devices.created_at bigint NOT NULL
staff_devices.expires_at bigint NOT NULL
staff_devices PRIMARY KEY (token)
CREATE INDEX staff_devices_person ON staff_devices USING btree (person)
CREATE UNIQUE INDEX staff_devices_pkey ON staff_devices USING btree (token)
staff_factors.id text NOT NULL
staff_factors.person text NOT NULL
staff_factors.kind text NOT NULL
staff_factors.sealed bytea NOT NULL
staff_factors.step bigint NOT NULL
staff_factors.created_at bigint NOT NULL
staff_factors PRIMARY KEY (id)
CREATE INDEX staff_factors_person ON staff_factors USING btree (person)
CREATE UNIQUE INDEX staff_factors_pkey ON staff_factors USING btree (id)
staff_links.id text NOT NULL
staff_links.token bytea NOT NULL
staff_links.kind text NOT NULL
staff_links.person text NOT NULL
staff_links.made_by text NOT NULL
staff_links.sealed bytea NOT NULL
staff_links.created_at bigint NOT NULL
staff_links.expires_at bigint NOT NULL
staff_links.closed_at bigint
staff_links PRIMARY KEY (id)
CREATE UNIQUE INDEX staff_links_pkey ON staff_links USING btree (id)
CREATE UNIQUE INDEX staff_links_token ON staff_links USING btree (token)
staff_people.id text NOT NULL
staff_people.mail bytea NOT NULL
staff_people.sealed bytea NOT NULL
staff_people.password bytea NOT NULL
staff_people.created_at bigint NOT NULL
staff_people.signed_in_at bigint
staff_people.removed_at bigint
staff_people PRIMARY KEY (id)
CREATE UNIQUE INDEX staff_people_mail ON staff_people USING btree (mail) WHERE (removed_at IS NULL)
CREATE UNIQUE INDEX staff_people_pkey ON staff_people USING btree (id)
staff_recovery.person text NOT NULL
staff_recovery.code bytea NOT NULL
staff_recovery.used_at bigint
staff_recovery PRIMARY KEY (person, code)
CREATE UNIQUE INDEX staff_recovery_pkey ON staff_recovery USING btree (person, code)
staff_roles.person text NOT NULL
staff_roles.site text NOT NULL
staff_roles.role text NOT NULL
staff_roles PRIMARY KEY (person, site)
CREATE UNIQUE INDEX staff_roles_pkey ON staff_roles USING btree (person, site)
staff_sessions.id text NOT NULL
staff_sessions.token bytea NOT NULL
staff_sessions.person text NOT NULL
staff_sessions.sealed bytea NOT NULL
staff_sessions.created_at bigint NOT NULL
staff_sessions.seen_at bigint NOT NULL
staff_sessions.confirmed_at bigint NOT NULL
staff_sessions.expires_at bigint NOT NULL
staff_sessions.ended_at bigint
staff_sessions PRIMARY KEY (id)
CREATE INDEX staff_sessions_person ON staff_sessions USING btree (person)
CREATE UNIQUE INDEX staff_sessions_pkey ON staff_sessions USING btree (id)
CREATE UNIQUE INDEX staff_sessions_token ON staff_sessions USING btree (token)
staff_state.id bigint NOT NULL
staff_state.version bigint NOT NULL
staff_state PRIMARY KEY (id)
CREATE UNIQUE INDEX staff_state_pkey ON staff_state USING btree (id)
staff_throttle.key bytea NOT NULL
staff_throttle.tat bigint NOT NULL
staff_throttle PRIMARY KEY (key)
CREATE UNIQUE INDEX staff_throttle_pkey ON staff_throttle USING btree (key)
staff_tickets.token bytea NOT NULL
staff_tickets.browser bytea NOT NULL
staff_tickets.person text NOT NULL
staff_tickets.tries bigint NOT NULL
staff_tickets.expires_at bigint NOT NULL
staff_tickets PRIMARY KEY (token)
CREATE UNIQUE INDEX staff_tickets_pkey ON staff_tickets USING btree (token)
vault_erasures.id text NOT NULL
vault_erasures.site text NOT NULL
vault_erasures.subject bytea NOT NULL
vault_erasures.at bigint NOT NULL
vault_erasures.reason text NOT NULL
vault_erasures.keys bigint NOT NULL
vault_erasures PRIMARY KEY (id)
CREATE UNIQUE INDEX vault_erasures_pkey ON vault_erasures USING btree (id)
CREATE INDEX vault_erasures_subject ON vault_erasures USING btree (site, subject)
vault_keys.id text NOT NULL
vault_keys.purpose text NOT NULL
vault_keys.state text NOT NULL
vault_keys.wrapped bytea NOT NULL
vault_keys.created_at bigint NOT NULL
vault_keys PRIMARY KEY (id)
CREATE UNIQUE INDEX vault_keys_pkey ON vault_keys USING btree (id)
vault_state.name text NOT NULL
vault_state.value text NOT NULL
vault_state PRIMARY KEY (name)
CREATE UNIQUE INDEX vault_state_pkey ON vault_state USING btree (name)
vault_subject_keys.id text NOT NULL
vault_subject_keys.site text NOT NULL
vault_subject_keys.subject bytea NOT NULL
vault_subject_keys.month text NOT NULL
vault_subject_keys.wrapped bytea NOT NULL
vault_subject_keys.created_at bigint NOT NULL
vault_subject_keys PRIMARY KEY (id)
CREATE INDEX vault_subject_keys_month ON vault_subject_keys USING btree (month)
CREATE UNIQUE INDEX vault_subject_keys_pkey ON vault_subject_keys USING btree (id)
CREATE INDEX vault_subject_keys_subject ON vault_subject_keys USING btree (site, subject, month)
watch_logs.node text NOT NULL
watch_logs.site text NOT NULL
watch_logs.path text NOT NULL
watch_logs.inode bigint NOT NULL
watch_logs.position bigint NOT NULL
watch_logs.fingerprint text NOT NULL
watch_logs.fingerprint_len bigint NOT NULL
watch_logs.lines bigint NOT NULL
watch_logs.bad bigint NOT NULL
watch_logs.raised bigint NOT NULL
watch_logs.left_out text NOT NULL
watch_logs.line_at bigint NOT NULL
watch_logs.read_at bigint NOT NULL
watch_logs.note text NOT NULL
watch_logs PRIMARY KEY (node, site, path)
CREATE UNIQUE INDEX watch_logs_pkey ON watch_logs USING btree (node, site, path)
