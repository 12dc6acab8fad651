"""Stand-ins for devices and desks, made from their contracts.

A stand-in takes what the contract has and nothing else: a call to another method, with other
arguments, or an answer prepared for a method that does not exist, fails the test. So a method that
is renamed in a contract cannot stay in a test by its old name.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from pytest_mock import MockerFixture

from hal.card.contract import CardReader
from hal.cash.contract import CashStatus, CoinUnit, Missed
from hal.cashless.contract import PaymentTerminal
from hal.panel.contract import Panel
from hal.printer.contract import Printer, PrinterStatus
from hal.speaker.contract import Speaker

CONTRACTS: Final = (CardReader, CoinUnit, PaymentTerminal, Panel, Printer, Speaker)
# What a stand-in says where "nothing" is no answer of the contract.
ANSWERS: Final[dict[type, dict[str, Any]]] = {
    CoinUnit: {
        "start": Missed(),
        "status": CashStatus(),
        "accept": 0,
        "stop": 0,
        "last_payout": (),
    },
    PaymentTerminal: {"is_ready": False},
    Printer: {"status": PrinterStatus()},
}


def stand_in(mocker: MockerFixture, contract: type, **does: Any) -> Any:
    """Does nothing and remembers what it was asked. `does`: a method's name to the function that
    answers for it, the exception that it raises, or the value of an attribute.
    """
    made = mocker.create_autospec(contract, instance=True, spec_set=True)
    answers = ANSWERS.get(contract, {})
    for name, value in inspect.getmembers(contract):
        if name.startswith("__"):
            continue
        if inspect.isroutine(value):
            getattr(made, name).return_value = answers.get(name)
        elif not isinstance(value, property) and not name.startswith("_"):
            setattr(made, name, value)
    for name, what in does.items():
        method = getattr(made, name)
        if hasattr(method, "side_effect") and (callable(what) or isinstance(what, Exception)):
            method.side_effect = what
        else:
            setattr(made, name, what)
    return made


def asked(of: Any) -> list[str]:
    """The names of the methods that were called, in order."""
    return [name for name, _, _ in of.method_calls]
