"""What a session's commitments are made with, and sheets that are declared void.

Sessions that are open and orders that are reserved while this runs are ended: they have no
commitments.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("commitment_seed", sa.LargeBinary(), nullable=True))
    op.add_column("sessions", sa.Column("record_version", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("voided", sa.BigInteger(), nullable=True))
    op.execute("UPDATE sessions SET state = 'ended' WHERE state = 'open'")
    gone = "state = 'void', manifest = NULL, signature = NULL, sealed = NULL"
    op.execute(f"UPDATE orders SET {gone} WHERE state = 'reserved'")  # noqa: S608 - a constant
