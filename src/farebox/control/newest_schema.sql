-- Made by tools/generate.py of the migrations: a new database is made of it at once. Never edited by hand.
CREATE TABLE add_on (
	id TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	invoices_max INTEGER, 
	created_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0010');
CREATE TABLE alert (
	name TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE alert_event (
	id TEXT NOT NULL, 
	alert TEXT NOT NULL, 
	value TEXT NOT NULL, 
	state TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	seq BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	channels_told TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT alert_event_state CHECK (state IN ('firing', 'recovered'))
);
CREATE TABLE alert_held (
	channel TEXT NOT NULL, 
	event TEXT NOT NULL, 
	due_at BIGINT NOT NULL, 
	PRIMARY KEY (channel, event)
);
CREATE TABLE alert_progress (
	id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT alert_progress_id CHECK (id = 1)
);
CREATE TABLE alert_snooze (
	alert TEXT NOT NULL, 
	value TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (alert, value)
);
CREATE TABLE alert_state (
	alert TEXT NOT NULL, 
	value TEXT NOT NULL, 
	threshold BIGINT NOT NULL, 
	window_start BIGINT NOT NULL, 
	definition_key TEXT NOT NULL, 
	state TEXT NOT NULL, 
	round INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	PRIMARY KEY (alert, value, threshold, window_start), 
	CONSTRAINT alert_state_state CHECK (state IN ('firing', 'recovered'))
);
CREATE TABLE audit (
	number BIGINT NOT NULL, 
	id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	changes TEXT NOT NULL, 
	salt TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
CREATE TABLE budget (
	name TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE coupon (
	id TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE credit_note (
	id TEXT NOT NULL, 
	invoice TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	series TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	issued_at BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT credit_note_number UNIQUE (series, number), 
	FOREIGN KEY(invoice) REFERENCES invoice (id)
);
CREATE TABLE customer (
	id TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	removed_at BIGINT, added_at BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE file_definition (
	file TEXT NOT NULL, 
	section TEXT NOT NULL, 
	name TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	PRIMARY KEY (file, section, name)
);
CREATE TABLE identity (
	dimension TEXT NOT NULL, 
	value TEXT NOT NULL, 
	from_ns BIGINT NOT NULL, 
	until_ns BIGINT NOT NULL, 
	customer TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (dimension, value, from_ns), 
	FOREIGN KEY(customer) REFERENCES customer (id)
);
CREATE TABLE invoice (
	id TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	from_ns BIGINT NOT NULL, 
	until_ns BIGINT NOT NULL, 
	attempt INTEGER NOT NULL, 
	series TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	as_of_seq BIGINT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	terms TEXT NOT NULL, checkpoint TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT invoice_number UNIQUE (series, number), 
	CONSTRAINT invoice_period UNIQUE (customer, kind, from_ns, until_ns, attempt), 
	CONSTRAINT invoice_kind CHECK (kind IN ('period', 'progressive'))
);
CREATE TABLE invoice_draft (
	customer TEXT NOT NULL, 
	from_ns BIGINT NOT NULL, 
	until_ns BIGINT NOT NULL, 
	id TEXT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (customer, from_ns, until_ns), 
	UNIQUE (id)
);
CREATE TABLE invoice_use (
	used TEXT NOT NULL, 
	invoice TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (used, invoice)
);
CREATE TABLE invoice_void (
	invoice TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (invoice), 
	FOREIGN KEY(invoice) REFERENCES invoice (id)
);
CREATE TABLE journal_entry (
	number BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	party TEXT NOT NULL, 
	wallet_grant TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	PRIMARY KEY (number, position), 
	CONSTRAINT journal_entry_account CHECK (account IN ('customer_receivable', 'revenue', 'wallet_liability', 'wallet_promo', 'breakage', 'provider_cost', 'cogs_accrued', 'tax_payable', 'partner_payable')), 
	FOREIGN KEY(number) REFERENCES journal_transaction (number)
);
CREATE TABLE journal_transaction (
	number BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	prev_hash TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE ("key")
);
CREATE TABLE key_label (
	fingerprint TEXT NOT NULL, 
	label TEXT NOT NULL, 
	binding TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (fingerprint), 
	CONSTRAINT key_label_fingerprint CHECK (length(fingerprint) = 16)
);
CREATE TABLE number_series (
	name TEXT NOT NULL, 
	last_number INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE outbox_delivery (
	message TEXT NOT NULL, 
	receiver TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_attempt_at BIGINT, 
	delivered_at BIGINT, 
	last_error TEXT, unsure_at BIGINT, 
	PRIMARY KEY (message, receiver), 
	CONSTRAINT outbox_delivery_position UNIQUE (receiver, position), 
	CONSTRAINT outbox_delivery_state CHECK (state IN ('pending', 'delivered', 'dead', 'cancelled')), 
	FOREIGN KEY(message) REFERENCES outbox_message (id), 
	FOREIGN KEY(receiver) REFERENCES outbox_receiver (name)
);
CREATE TABLE outbox_message (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	dedupe_key TEXT, 
	payload TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	cause TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (dedupe_key)
);
CREATE TABLE outbox_receiver (
	name TEXT NOT NULL, 
	configured TEXT, 
	commanded TEXT, 
	state TEXT NOT NULL, 
	reason TEXT, 
	last_position BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (name), 
	CONSTRAINT outbox_receiver_state CHECK (state IN ('active', 'stopped'))
);
CREATE TABLE payee (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	email TEXT NOT NULL, 
	address TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE plan_version (
	"plan" TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	definition TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	used_at BIGINT, 
	retired_at BIGINT, 
	PRIMARY KEY ("plan", version)
);
CREATE TABLE seal (
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE stop (
	dimension TEXT NOT NULL, 
	value TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	PRIMARY KEY (dimension, value)
);
CREATE TABLE subscription (
	id TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	definition TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	removed_at BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT subscription_plan_version FOREIGN KEY("plan", version) REFERENCES plan_version ("plan", version), 
	FOREIGN KEY(customer) REFERENCES customer (id)
);
CREATE TABLE token (
	id TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	binding TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	revoked_at BIGINT, 
	last_used_at BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT token_scope CHECK (scope IN ('ingest', 'read', 'admin', 'client', 'portal')), 
	CONSTRAINT token_hash CHECK (length(hash) = 64), 
	UNIQUE (hash)
);
CREATE TABLE usage_day (
	export TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	customer TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	events BIGINT NOT NULL, 
	PRIMARY KEY (export, day, customer, quantity)
);
CREATE TABLE usage_event (
	export TEXT NOT NULL, 
	id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	first_seq BIGINT NOT NULL, 
	last_seq BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	message TEXT, 
	made_at BIGINT NOT NULL, 
	answered_at BIGINT, 
	words TEXT, 
	PRIMARY KEY (export, id), 
	CONSTRAINT usage_event_state CHECK (state IN ('held', 'waiting', 'taken', 'duplicate', 'refused', 'in_doubt'))
);
CREATE TABLE usage_progress (
	export TEXT NOT NULL, 
	began_after BIGINT NOT NULL, 
	seq BIGINT NOT NULL, 
	event_id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (export)
);
CREATE TABLE wallet (
	customer TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	overdraft_minor BIGINT NOT NULL, 
	low_minor BIGINT, 
	top_up_minor BIGINT, 
	low_since BIGINT, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (customer)
);
CREATE TABLE wallet_grant (
	id TEXT NOT NULL, 
	customer TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	priority INTEGER NOT NULL, 
	effective_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	charges TEXT NOT NULL, 
	meters TEXT NOT NULL, 
	note TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT wallet_grant_kind CHECK (kind IN ('paid', 'promotional')), 
	FOREIGN KEY(customer) REFERENCES wallet (customer)
);
CREATE INDEX outbox_delivery_waiting ON outbox_delivery (state, receiver, position);
CREATE INDEX journal_transaction_reference ON journal_transaction (reference);
CREATE INDEX journal_entry_party ON journal_entry (party, account);
CREATE INDEX journal_entry_grant ON journal_entry (wallet_grant);
CREATE INDEX wallet_grant_customer ON wallet_grant (customer);
CREATE INDEX coupon_customer ON coupon (customer);
CREATE INDEX add_on_customer ON add_on (customer);
CREATE TRIGGER journal_transaction_no_update BEFORE UPDATE ON journal_transaction BEGIN SELECT RAISE(ABORT, 'journal_transaction is append-only'); END;
CREATE TRIGGER journal_transaction_no_delete BEFORE DELETE ON journal_transaction BEGIN SELECT RAISE(ABORT, 'journal_transaction is append-only'); END;
CREATE TRIGGER journal_entry_no_update BEFORE UPDATE ON journal_entry BEGIN SELECT RAISE(ABORT, 'journal_entry is append-only'); END;
CREATE TRIGGER journal_entry_no_delete BEFORE DELETE ON journal_entry BEGIN SELECT RAISE(ABORT, 'journal_entry is append-only'); END;
CREATE TRIGGER wallet_grant_no_update BEFORE UPDATE ON wallet_grant BEGIN SELECT RAISE(ABORT, 'wallet_grant is append-only'); END;
CREATE TRIGGER wallet_grant_no_delete BEFORE DELETE ON wallet_grant BEGIN SELECT RAISE(ABORT, 'wallet_grant is append-only'); END;
CREATE INDEX credit_note_invoice ON credit_note (invoice);
CREATE TRIGGER invoice_no_update BEFORE UPDATE ON invoice BEGIN SELECT RAISE(ABORT, 'invoice is append-only'); END;
CREATE TRIGGER invoice_no_delete BEFORE DELETE ON invoice BEGIN SELECT RAISE(ABORT, 'invoice is append-only'); END;
CREATE TRIGGER invoice_void_no_update BEFORE UPDATE ON invoice_void BEGIN SELECT RAISE(ABORT, 'invoice_void is append-only'); END;
CREATE TRIGGER invoice_void_no_delete BEFORE DELETE ON invoice_void BEGIN SELECT RAISE(ABORT, 'invoice_void is append-only'); END;
CREATE TRIGGER credit_note_no_update BEFORE UPDATE ON credit_note BEGIN SELECT RAISE(ABORT, 'credit_note is append-only'); END;
CREATE TRIGGER credit_note_no_delete BEFORE DELETE ON credit_note BEGIN SELECT RAISE(ABORT, 'credit_note is append-only'); END;
CREATE INDEX subscription_customer ON subscription (customer);
CREATE INDEX identity_customer ON identity (customer);
CREATE INDEX alert_event_at ON alert_event (at);
CREATE INDEX alert_event_alert ON alert_event (alert, at);
CREATE INDEX alert_held_due ON alert_held (due_at);
CREATE INDEX usage_event_state ON usage_event (export, state, customer);
CREATE INDEX audit_subject ON audit (subject);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit WHEN (NEW.number <> OLD.number OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.actor <> OLD.actor OR NEW.action <> OLD.action OR NEW.digest <> OLD.digest OR NEW.hash <> OLD.hash OR NOT (NEW.subject = '' AND NEW.detail = '' AND NEW.changes = '' AND NEW.salt = '')) BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit  BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
