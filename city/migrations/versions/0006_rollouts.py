"""Builds go out ring by ring, and each kiosk tells where it stands.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("fleet", sa.Column("update", sa.JSON(), nullable=True))
    op.create_table(
        "rollouts",
        sa.Column("board", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=59), nullable=False),
        sa.Column("build", sa.String(length=400), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("rings", sa.JSON(), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "state IN ('running', 'stopped', 'done')", name=op.f("ck_rollouts_state")
        ),
        sa.PrimaryKeyConstraint("board", name=op.f("pk_rollouts")),
    )
