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
    UniqueConstraint("receiver", "position", name="outbox_delivery_position"),
    CheckConstraint(_one_of("state", DELIVERY_STATES), name="outbox_delivery_state"),
)
Index(
    "outbox_delivery_waiting",
    outbox_delivery.c.state,
    outbox_delivery.c.receiver,
    outbox_delivery.c.position,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # uid:1000 at the command line, token:ID at the API
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
)
Index("audit_subject", audit.c.subject)

seal = Table(
    "seal",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
)
