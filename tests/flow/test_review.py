"""Whatever is owed is on paper: every yen that stays in the machine and is not the fee has its
slip.
"""

from __future__ import annotations

import pytest
from flow_rig import Ended, Rig, at_certificates, at_paying

from firmware.flow import commands, events
from firmware.flow.states import State


def slips(rig: Rig) -> list[int]:
    return [claim.owed for claim in rig.all(commands.PrintClaim)]


def test_a_coin_out_of_nowhere_is_on_a_slip_before_the_person_goes() -> None:
    rig = at_certificates()
    rig.send(events.CoinInserted(value=50))
    assert slips(rig) == [50]
    with pytest.raises(Ended):
        rig.touch("cancel")


def test_each_slip_is_for_its_own_amount() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.touch("cancel")
    rig.answer("cash")
    rig.send(events.CoinInserted(value=10))
    rig.answer("cash", "payout-failed 0")
    assert rig.flow.state is State.TROUBLE
    assert slips(rig)[0] == 10
    assert sum(slips(rig)) == rig.flow.session.owed == 60 - rig.flow.session.returned
