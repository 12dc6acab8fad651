"""Somebody of the same name as another resident, whom the sample people lack."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select

from city import tables
from testbed.inspection.register import NAMESAKE


def enter_namesake(engine: Engine) -> None:
    """Another birth date, address and imprint."""
    with engine.begin() as connection:
        taro = dict(
            connection.execute(select(tables.residents).filter_by(id="taro")).mappings().one()
        )
        own = {**taro, **NAMESAKE, "id": "namesake", "household": "namesake"}
        connection.execute(insert(tables.households).values(id="namesake"))
        connection.execute(insert(tables.residents).values(own))
        for table in (tables.seals, tables.taxes):
            source = "yoshiko" if table is tables.seals else "taro"
            for row in (
                connection.execute(select(table).filter_by(resident=source)).mappings().all()
            ):
                changed = {"address": NAMESAKE["address"]} if table is tables.taxes else {}
                connection.execute(insert(table).values({**row, **changed, "resident": "namesake"}))
