"""Rows of a register as values."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, select

from city.records import RegisterEntry

R = TypeVar("R", bound=RegisterEntry)


def single(
    connection: Connection, table: Table, where: ColumnElement[bool], type_: type[R], hold: bool
) -> R | None:
    """The first that there is. `hold`: nobody changes it before this transaction ends."""
    return next(iter(rows(connection, table, where, type_, hold)), None)


def rows(
    connection: Connection,
    table: Table,
    where: ColumnElement[bool],
    type_: type[R],
    hold: bool,
    order: ColumnElement[Any] | None = None,
) -> tuple[R, ...]:
    """All that there are."""
    query = select(table).where(where).order_by(order)
    found = connection.execute(query.with_for_update() if hold else query).mappings()
    return tuple(
        msgspec.convert({str(name): value for name, value in row.items()}, type_) for row in found
    )
