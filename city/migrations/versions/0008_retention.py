"""What is kept has an end: the log's older entries go into signed files, and journeys can be held.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

WORDS = "the log is append-only"
ARCHIVED = "(SELECT COALESCE(MAX(last), 0) FROM archives)"
# What is never changed, whatever a program believes.
FIXED = ("archives", "published")


def upgrade() -> None:
    _tables()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _log_guard(sqlite):
        op.execute(statement)
    for table in FIXED:
        for event in ("UPDATE", "DELETE"):
            for statement in _guard(sqlite, table, event):
                op.execute(statement)


def _tables() -> None:
    op.add_column(
        "cases", sa.Column("result", sa.String(length=16), server_default="", nullable=False)
    )
    op.create_index(op.f("ix_orders_session"), "orders", ["session"], unique=False)
    op.create_table(
        "archives",
        sa.Column("last", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("last", name=op.f("pk_archives")),
    )
    op.create_table(
        "holds",
        sa.Column("session", sa.String(length=32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.session"], name=op.f("fk_holds_session")),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_holds")),
    )
    op.create_table(
        "retention",
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("ran", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_retention")),
    )
    op.create_table(
        "published",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_published")),
    )


def _log_guard(sqlite: bool) -> tuple[str, ...]:
    """An entry that lies in no archive cannot be deleted, and TRUNCATE is refused as before."""
    if sqlite:
        return (
            "DROP TRIGGER audit_no_delete",
            f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN OLD.seq > {ARCHIVED} "
            f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END",
        )
    refuse = f"RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'restrict_violation';"
    return (
        "CREATE OR REPLACE FUNCTION audit_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        f"IF TG_OP = 'TRUNCATE' THEN {refuse} END IF; "
        f"IF OLD.seq > {ARCHIVED} THEN {refuse} END IF; "
        "RETURN OLD; END$$",
    )


def _guard(sqlite: bool, table: str, event: str) -> tuple[str, ...]:
    name, words = f"{table}_no_{event.lower()}", f"{table} are never changed"
    if sqlite:
        return (
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END",
        )
    body = f"BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = 'restrict_violation'; END"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )
