"""Each kiosk tells the codes of its open cases.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("fleet", sa.Column("case_codes", sa.JSON(), nullable=True))
