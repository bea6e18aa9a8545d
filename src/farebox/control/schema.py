"""The tables of `control.db` as they are now; a test compares them with what `migrations/` makes.

Types and constraints are those that SQLite and PostgreSQL share. Moments are nanoseconds since 1970 (UTC),
JSON is text, identifiers are UUIDv7 as text, and no secret is stored: of a token there is a hash, of others a
reference.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

SCOPES = ("ingest", "read", "admin", "client", "portal")
DELIVERY_STATES = ("pending", "delivered", "dead", "cancelled")
RECEIVER_STATES = ("active", "stopped")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


key_label = Table(
    "key_label",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("binding", Text, nullable=False),  # JSON: customer, user, agent, project
    Column("changed_at", BigInteger, nullable=False),
    CheckConstraint("length(fingerprint) = 16", name="key_label_fingerprint"),
)

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, hexadecimal
    Column("binding", Text, nullable=False),  # JSON: customer, user, project
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    CheckConstraint(_one_of("scope", SCOPES), name="token_scope"),
    CheckConstraint("length(hash) = 64", name="token_hash"),
)

budget = Table(
    "budget",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # JSON: farebox.budgets.budget.Budget
    Column("changed_at", BigInteger, nullable=False),
)

stop = Table(
    "stop",
    metadata,
    Column("dimension", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as in `audit`
)

alert = Table(
    "alert",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # JSON: farebox.alerts.alert.Alert
    Column("changed_at", BigInteger, nullable=False),
)

alert_snooze = Table(
    "alert_snooze",
    metadata,
    Column("alert", Text, primary_key=True),  # of commands or of the home's farebox.yaml
    Column("value", Text, primary_key=True),  # of `each`; empty: all
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as in `audit`
    Column("reason", Text, nullable=False),
)

ALERT_STATES = ("firing", "recovered")

alert_state = Table(
    "alert_state",  # written by the ledger process
    metadata,
    Column("alert", Text, primary_key=True),
    Column("value", Text, primary_key=True),  # empty: without `each`
    Column("threshold", BigInteger, primary_key=True),  # 0 where the kind has none
    Column("window_start", BigInteger, primary_key=True),  # 0 where it has no period
    Column("definition_key", Text, nullable=False),  # of what the rule meant: another one begins anew
    Column("state", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("event", Text, nullable=False),  # the last one's id
    CheckConstraint(_one_of("state", ALERT_STATES), name="alert_state_state"),
)

alert_event = Table(
    "alert_event",  # written by the ledger process
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # JSON: farebox.alerts.event.AlertEvent
    Column("channels_told", Text, nullable=False),  # JSON: names; none while it is snoozed
    CheckConstraint(_one_of("state", ALERT_STATES), name="alert_event_state"),
)
Index("alert_event_at", alert_event.c.at)
Index("alert_event_alert", alert_event.c.alert, alert_event.c.at)

alert_held = Table(
    "alert_held",  # what a channel is told together
    metadata,
    Column("channel", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
)
Index("alert_held_due", alert_held.c.due_at)

alert_progress = Table(
    "alert_progress",  # one row: how far the record is evaluated
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="alert_progress_id"),
)

outbox_receiver = Table(
    "outbox_receiver",
    metadata,
    Column("name", Text, primary_key=True),
    Column("configured", Text),  # JSON: what the home's farebox.yaml says; goes first
    Column("commanded", Text),  # JSON: what a command said; NULL in both: removed
    Column("state", Text, nullable=False),
    Column("reason", Text),  # why it was stopped
    Column("last_position", BigInteger, nullable=False),  # of the newest message for it
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(_one_of("state", RECEIVER_STATES), name="outbox_receiver_state"),
)

outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", Text, primary_key=True),  # the webhook-id, the same at each attempt
    Column("kind", Text, nullable=False),
    Column("dedupe_key", Text, unique=True),
    Column("payload", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),  # what it was committed with
)

outbox_delivery = Table(
    "outbox_delivery",
    metadata,
    Column("message", Text, ForeignKey("outbox_message.id"), primary_key=True),
    Column("receiver", Text, ForeignKey("outbox_receiver.name"), primary_key=True),
    Column("position", BigInteger, nullable=False),  # the order of one receiver's messages
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_error", Text),
    Column("unsure_at", BigInteger),  # of usage: when it was first sent without a response
    UniqueConstraint("receiver", "position", name="outbox_delivery_position"),
    CheckConstraint(_one_of("state", DELIVERY_STATES), name="outbox_delivery_state"),
)
Index(
    "outbox_delivery_waiting",
    outbox_delivery.c.state,
    outbox_delivery.c.receiver,
    outbox_delivery.c.position,
)

USAGE_STATES = ("held", "waiting", "taken", "duplicate", "refused", "in_doubt")

usage_progress = Table(
    "usage_progress",  # how far an export has followed the record
    metadata,
    Column("export", Text, primary_key=True),
    Column("began_after", BigInteger, nullable=False),  # the row behind which it began
    Column("seq", BigInteger, nullable=False),
    Column(
        "event_id", Text, nullable=False
    ),  # of row `seq`, hexadecimal: another one there is another record
    Column("at", BigInteger, nullable=False),
)

usage_event = Table(
    "usage_event",  # what was made of the record for an export, and what the receiver answered
    metadata,
    Column("export", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("day", Integer, nullable=False),  # of the usage, in days since 1970
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # JSON: farebox.channels.usage.usage_event.UsageEvent
    Column("message", Text),  # of the outbox, the last one
    Column("made_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("words", Text),
    CheckConstraint(_one_of("state", USAGE_STATES), name="usage_event_state"),
)
Index("usage_event_state", usage_event.c.export, usage_event.c.state, usage_event.c.customer)

usage_day = Table(
    "usage_day",  # what a receiver has, kept for ever
    metadata,
    Column("export", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("customer", Text, primary_key=True),
    Column("quantity", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),  # amounts in pico-dollars
    Column("events", BigInteger, nullable=False),
)

audit = Table(
    "audit",  # append-only, but for what is erased: see farebox.control.audit
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("id", Text, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # uid:1000 at the command line, token:ID at the API
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    Column("changes", Text, nullable=False),  # JSON: rows before and after
    Column("salt", Text, nullable=False),  # hexadecimal; empty where the entry's content was erased
    Column("digest", Text, nullable=False),  # of salt, subject, detail and changes
    Column("hash", Text, nullable=False),  # of the entry before it and this one, see audit/chain.py
)
Index("audit_subject", audit.c.subject)
Index("audit_at", audit.c.at)

file_definition = Table(
    "file_definition",  # what files of the home said when they were last read: so a change of it is noticed
    metadata,
    Column("file", Text, primary_key=True),  # farebox.yaml, prices.d/set.yaml
    Column("section", Text, primary_key=True),  # budgets, alerts, keys, pricing
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # JSON
)

journal_transaction = Table(
    "journal_transaction",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("key", Text, nullable=False, unique=True),  # what is posted once: "invoice:ID"
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the invoice, credit note or grant that it is about
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as in `audit`
    Column("detail", Text, nullable=False),  # JSON
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),  # see farebox.billing.journal.chain
)
Index("journal_transaction_reference", journal_transaction.c.reference)

ACCOUNTS = (
    "customer_receivable",
    "revenue",
    "wallet_liability",
    "wallet_promo",
    "breakage",
    "provider_cost",
    "cogs_accrued",
    "tax_payable",
    "partner_payable",
)

journal_entry = Table(
    "journal_entry",
    metadata,
    Column("number", BigInteger, ForeignKey("journal_transaction.number"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("party", Text, nullable=False),  # the customer or payee; empty where it is neither
    Column("wallet_grant", Text, nullable=False),  # empty where it is of no grant
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),  # debits above zero, credits below
    CheckConstraint(_one_of("account", ACCOUNTS), name="journal_entry_account"),
)
Index("journal_entry_party", journal_entry.c.party, journal_entry.c.account)
Index("journal_entry_grant", journal_entry.c.wallet_grant)

wallet = Table(
    "wallet",
    metadata,
    Column("customer", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("overdraft_minor", BigInteger, nullable=False),  # how far below zero it may go
    Column("low_minor", BigInteger),  # below it, somebody is told
    Column("top_up_minor", BigInteger),  # and this much is asked for
    Column("low_since", BigInteger),  # the moment it was told
    Column("changed_at", BigInteger, nullable=False),
)

wallet_grant = Table(
    "wallet_grant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, ForeignKey("wallet.customer"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("effective_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("charges", Text, nullable=False),  # JSON: what it may pay; empty: everything
    Column("meters", Text, nullable=False),  # JSON
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(_one_of("kind", ("paid", "promotional")), name="wallet_grant_kind"),
)
Index("wallet_grant_customer", wallet_grant.c.customer)

payee = Table(
    "payee",
    metadata,
    Column("id", Text, primary_key=True),  # as `shares:` of a charge names it
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

coupon = Table(
    "coupon",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("definition", Text, nullable=False),  # JSON: farebox.charges.plan.Discount
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)
Index("coupon_customer", coupon.c.customer)

add_on = Table(
    "add_on",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("definition", Text, nullable=False),  # JSON: farebox.charges.plan.AddOn
    Column("invoices_max", Integer),  # on how many invoices it is; NULL: on all
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)
Index("add_on_customer", add_on.c.customer)

invoice_use = Table(
    "invoice_use",
    metadata,
    Column("used", Text, primary_key=True),  # a coupon's or add-on's id
    Column("invoice", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

number_series = Table(
    "number_series",
    metadata,
    Column("name", Text, primary_key=True),  # what the numbers begin with: "INV"
    Column("last_number", Integer, nullable=False),
)

INVOICE_KINDS = ("period", "progressive")

invoice = Table(
    "invoice",  # final ones, append-only
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),  # how many of this period were voided before
    Column("series", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("as_of_seq", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),  # JSON: farebox.billing.documents.document.Invoice
    Column("sha256", Text, nullable=False),  # of the document's bytes
    Column("terms", Text, nullable=False),  # JSON: what it was rated by, for what the record learns later
    Column("checkpoint", Text),  # JSON: farebox.signing_key.Signed; none of those from before it was kept
    UniqueConstraint("series", "number", name="invoice_number"),
    UniqueConstraint("customer", "kind", "from_ns", "until_ns", "attempt", name="invoice_period"),
    CheckConstraint(_one_of("kind", INVOICE_KINDS), name="invoice_kind"),
)

invoice_void = Table(
    "invoice_void",  # append-only
    metadata,
    Column("invoice", Text, ForeignKey("invoice.id"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as in `audit`
    Column("reason", Text, nullable=False),
)

invoice_draft = Table(
    "invoice_draft",
    metadata,
    Column("customer", Text, primary_key=True),
    Column("from_ns", BigInteger, primary_key=True),
    Column("until_ns", BigInteger, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("document", Text, nullable=False),  # JSON, replaced at each run
)

credit_note = Table(
    "credit_note",  # append-only
    metadata,
    Column("id", Text, primary_key=True),
    Column("invoice", Text, ForeignKey("invoice.id"), nullable=False),
    Column("customer", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),  # JSON: farebox.billing.documents.document.CreditNote
    Column("sha256", Text, nullable=False),
    UniqueConstraint("series", "number", name="credit_note_number"),
)
Index("credit_note_invoice", credit_note.c.invoice)

customer = Table(
    "customer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # JSON: farebox.charges.plan.Customer
    Column("origin", Text, nullable=False),  # "command", or the line of the home's farebox.yaml
    Column("changed_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("added_at", BigInteger),  # first, or again after it was removed
)

plan_version = Table(
    "plan_version",
    metadata,
    Column("plan", Text, primary_key=True),
    Column("version", Integer, primary_key=True),  # from 1, without gaps
    Column("definition", Text, nullable=False),  # JSON: farebox.charges.plan.Plan
    Column("digest", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),  # when a subscription first had it: frozen from then on
    Column("retired_at", BigInteger),  # nobody subscribes to it any more
)

subscription = Table(
    "subscription",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, ForeignKey("customer.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", Text, nullable=False),  # JSON: farebox.charges.plan.Subscription
    Column("origin", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    ForeignKeyConstraint(
        ["plan", "version"], ["plan_version.plan", "plan_version.version"], name="subscription_plan_version"
    ),
)
Index("subscription_customer", subscription.c.customer)

identity = Table(
    "identity",
    metadata,
    Column("dimension", Text, primary_key=True),  # key, user, agent, tag.NAME
    Column("value", Text, primary_key=True),
    Column("from_ns", BigInteger, primary_key=True),
    Column("until_ns", BigInteger, nullable=False),
    Column("customer", Text, ForeignKey("customer.id"), nullable=False),
    Column("origin", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
Index("identity_customer", identity.c.customer)

seal = Table(
    "seal",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
)
