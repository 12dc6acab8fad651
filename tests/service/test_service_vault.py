"""What is a person's: wiped, and in no repr. What is logged: the catalogue and nothing else."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

from firmware.link import sealing
from firmware.link.messages import SessionAnswer
from firmware.service import log as log_module
from firmware.service.log import CATALOGUE, DEBUG, WARNINGS, log
from firmware.service.vault import PinBuffer, Vault

SERVICE = Path(log_module.__file__).parent
ANSWER = SessionAnswer(
    session="5" * 32,
    holder="m1",
    holder_birth="昭和55年5月14日",
    holder_address="兵庫県明石市",
    members={"m1": "明石太郎"},
    records={},
    record_version=1,
    offers=(),
    card_expires_in_days=9,
    ends_in_s=9,
)


def typed(*digits: int) -> PinBuffer:
    pin = PinBuffer()
    for digit in digits:
        pin.add(digit)
    return pin


def filled(pin: PinBuffer) -> Vault:
    return Vault(
        session="5" * 32,
        pin=pin,
        challenge=b"challenge",
        key=sealing.generate(),
        certificate=b"certificate",
        signature=b"signature",
        answer=ANSWER,
        order="0" * 32,
        document="d",
        opened=True,
    )


def test_four_digits_and_no_more() -> None:
    pin = typed(1, 2, 3, 4, 5)
    assert len(pin) == 4
    assert pin.take() == bytearray(b"1234")


def test_taken_once_and_gone() -> None:
    pin = typed(1, 2, 3, 4)
    own = pin._digits
    taken = pin.take()
    assert taken == b"1234"
    assert own == bytes(4)
    assert len(pin) == 0
    assert pin.take() == b""


def test_wiping_overwrites_in_place() -> None:
    pin = typed(9, 8)
    own = pin._digits
    pin.wipe()
    assert own == bytes(4)
    assert pin._digits is own


def test_nothing_of_it_is_shown() -> None:
    vault = filled(typed(1, 2, 3, 4))
    for shown in (repr(vault), str(vault), repr(vault.pin), str(vault.pin), f"{vault.pin}"):
        assert not any(
            secret in shown
            for secret in ("1234", "49, 50", "明石", "昭和", "certificate", "KeyPair")
        )


def test_destroyed_but_for_its_number() -> None:
    vault = filled(typed(1, 2))
    vault.destroy()
    assert (vault.key, vault.certificate, vault.signature, vault.answer) == (None, b"", b"", None)
    assert (vault.sheets, vault.document, vault.order, vault.opened, len(vault.pin)) == (
        (),
        "",
        "",
        False,
        0,
    )
    assert vault.session == "5" * 32


# -- the log


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("person.seen", {}),
        ("state", {}),
        ("state", {"state": "pin", "event": "x", "name": "太郎"}),
        ("error", {"pin": 1}),
    ],
)
def test_what_is_not_in_the_catalogue_is_not_logged(
    name: str, facts: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match=name):
        log(name, **facts)
    assert caplog.records == []


def _calls() -> list[tuple[str, ast.Call]]:
    found = []
    for path in sorted(SERVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "log"
            ):
                found.append((f"{path.name}:{node.lineno}", node))
    return found


def test_every_call_of_the_source_is_in_the_catalogue() -> None:
    calls = _calls()
    for place, call in calls:
        (name,) = call.args
        assert isinstance(name, ast.Constant), place
        assert {keyword.arg for keyword in call.keywords} == CATALOGUE[str(name.value)], place
    used = {call.args[0].value for _, call in calls if isinstance(call.args[0], ast.Constant)}
    assert used == set(CATALOGUE), "an event nobody logs"


def test_levels_name_events_of_the_catalogue() -> None:
    assert set(CATALOGUE) >= WARNINGS | DEBUG
