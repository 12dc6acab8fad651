"""Which builds of the kiosk the city takes.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "builds",
        sa.Column("build", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("named", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('accepted', 'refused')", name=op.f("ck_builds_state")),
        sa.PrimaryKeyConstraint("build", name=op.f("pk_builds")),
    )
