"""How each kiosk was when it said hello last.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "fleet",
        sa.Column("kiosk", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("build", sa.String(length=400), nullable=False),
        sa.Column("availability", sa.String(length=64), nullable=False),
        sa.Column("problem", sa.String(length=64), nullable=False),
        sa.Column("paper", sa.JSON(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("exact_only", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kiosk", name=op.f("pk_fleet")),
    )
