"""Alembic's way in: runs the revisions on the connection it is given, within that connection's
transaction.
"""

from __future__ import annotations

from alembic import context

from city.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
