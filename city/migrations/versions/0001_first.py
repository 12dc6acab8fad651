"""The first schema, and the log's and the orders' own guards.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# What the gateway may do with a row, whatever it believes. Table, event, condition, the database's
# words.
GUARDS = (
    ("audit", "UPDATE", "TRUE", "the log is append-only"),
    ("audit", "DELETE", "TRUE", "the log is append-only"),
    (
        "orders",
        "UPDATE",
        "OLD.state <> 'reserved' AND NEW.state <> OLD.state",
        "an order is decided once",
    ),
    ("challenges", "UPDATE", "OLD.used AND NOT NEW.used", "a challenge is used once"),
)


def upgrade() -> None:
    _tables()
    for table, event, condition, words in GUARDS:
        name = f"{table}_no_{event.lower()}"
        for statement in {"sqlite": _sqlite, "postgresql": _postgresql}[op.get_bind().dialect.name](
            name, table, event, condition, words
        ):
            op.execute(statement)


def _sqlite(name: str, table: str, event: str, condition: str, words: str) -> tuple[str, ...]:
    return (
        (
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {condition} BEGIN SELECT "
            f"RAISE(ABORT, '{words}'); END"
        ),
    )


def _postgresql(name: str, table: str, event: str, condition: str, words: str) -> tuple[str, ...]:
    body = f"BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = 'restrict_violation'; END"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        (
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION {name}()"
        ),
        *(
            (
                (
                    f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE "
                    f"FUNCTION {name}()"
                ),
            )
            if event == "DELETE"
            else ()
        ),
    )


def _tables() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "cases",
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=32), nullable=False),
        sa.Column("order", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case", name=op.f("pk_cases")),
    )
    op.create_index(
        "one_open_case",
        "cases",
        ["code", "kiosk", "kind", "session", "order", "outcome"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "challenges",
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_challenges")),
    )
    op.create_index(op.f("ix_challenges_expires"), "challenges", ["expires"], unique=False)
    op.create_table(
        "households",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_households")),
    )
    op.create_table(
        "kiosk_certificates",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_kiosk_certificates")),
        sa.UniqueConstraint("kiosk", "key", name=op.f("uq_kiosk_certificates_kiosk_key")),
    )
    op.create_index(
        op.f("ix_kiosk_certificates_kiosk"), "kiosk_certificates", ["kiosk"], unique=False
    )
    op.create_table(
        "sessions",
        sa.Column("session", sa.String(length=32), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=True),
        sa.Column("document_key", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'ended')", name=op.f("ck_sessions_state")),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_sessions")),
    )
    op.create_index("sessions_by_end", "sessions", ["state", "ends"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order", sa.String(length=32), nullable=False),
        sa.Column("session", sa.String(length=32), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("document_sha256", sa.String(length=64), nullable=False),
        sa.Column("unique_number", sa.String(length=32), nullable=False),
        sa.Column("record_version", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.Integer(), nullable=False),
        sa.Column("sheets", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('reserved', 'issued', 'void')", name=op.f("ck_orders_state")),
        sa.ForeignKeyConstraint(["session"], ["sessions.session"], name=op.f("fk_orders_session")),
        sa.PrimaryKeyConstraint("order", name=op.f("pk_orders")),
        sa.UniqueConstraint("unique_number", name=op.f("uq_orders_unique_number")),
    )
    op.create_index(
        "one_reserved_order",
        "orders",
        ["session"],
        unique=True,
        sqlite_where=sa.text("state = 'reserved'"),
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.create_table(
        "residents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("household", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kana", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("former_surname", sa.Text(), server_default="", nullable=False),
        sa.Column("sex", sa.String(length=8), nullable=False),
        sa.Column("birth", sa.Date(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("relationship", sa.Text(), nullable=False),
        sa.Column("resident_since", sa.Date(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("settled_on", sa.Date(), nullable=False),
        sa.Column("notified_on", sa.Date(), nullable=False),
        sa.Column("previous_address", sa.Text(), nullable=False),
        sa.Column("domicile", sa.Text(), nullable=False),
        sa.Column("domicile_head", sa.Text(), nullable=False),
        sa.Column("nationality", sa.Text(), nullable=False),
        sa.Column("residence_status", sa.Text(), nullable=False),
        sa.Column("residence_period", sa.Text(), nullable=False),
        sa.Column("residence_until", sa.Date(), nullable=True),
        sa.Column("residence_card", sa.Text(), nullable=False),
        sa.Column("mynumber", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["household"], ["households.id"], name=op.f("fk_residents_household")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residents")),
    )
    op.create_index(op.f("ix_residents_household"), "residents", ["household"], unique=False)
    op.create_table(
        "cards",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("continued_on", sa.Date(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["resident"], ["residents.id"], name=op.f("fk_cards_resident")),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_cards")),
    )
    op.create_table(
        "outcomes",
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("order", sa.String(length=32), nullable=False),
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["order"], ["orders.order"], name=op.f("fk_outcomes_order")),
        sa.PrimaryKeyConstraint("outcome", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("order", name=op.f("uq_outcomes_order")),
    )
    op.create_table(
        "seals",
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("deregistered_on", sa.Date(), nullable=True),
        sa.Column("imprint", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["resident"], ["residents.id"], name=op.f("fk_seals_resident")),
        sa.PrimaryKeyConstraint("resident", name=op.f("pk_seals")),
    )
    op.create_table(
        "taxes",
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("amounts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["resident"], ["residents.id"], name=op.f("fk_taxes_resident")),
        sa.PrimaryKeyConstraint("resident", "year", name=op.f("pk_taxes")),
    )
