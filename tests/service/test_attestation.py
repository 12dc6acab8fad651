"""A kiosk that is not as it was signed serves nobody, and says what differs (I7)."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from board import FLEET_KEY, make_board
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from firmware.link.attestation import AttestationError, Measured, read_signed, sign
from firmware.service import attestation, closure, fleet, toml
from firmware.service.closure import CONFIG, Closure
from firmware.service.config import Config, ConfigError, load
from firmware.sheets import era


class Board:
    """A board whose measurement is signed as it is now."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.path = folder / "kiosk.toml"
        self.fleet = make_board(folder, patch)
        fleet.write_configuration(self.fleet, "kiosk-1", self.path)
        self.write(sign(FLEET_KEY, attestation.measure(self.config, self.path)))

    @property
    def config(self) -> Config:
        return load(self.path)

    @property
    def signed(self) -> Path:
        return self.folder / "line/kiosk.signed"

    def write(self, signed: bytes) -> None:
        self.signed.parent.mkdir(exist_ok=True)
        self.signed.write_bytes(signed)

    def trouble(self) -> str:
        return attestation.trouble(self.config, self.path)

    def change(self, section: str, key: str, value: object) -> None:
        """In the configuration, signed anew but for the item `topology`."""
        document = fleet.configuration(self.fleet, "kiosk-1")
        self.path.write_text(toml.dumps(toml.merge(document, {section: {key: value}})))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    return Board(tmp_path, monkeypatch)


def new_build(board: Board) -> None:
    (board.folder / "source/firmware").mkdir(parents=True)
    (board.folder / "source/hal").mkdir()
    (board.folder / "source/firmware/mended.py").write_text("mended")
    board.patch.setattr(attestation, "ROOT", board.folder / "source")


CHANGES = {
    "build": new_build,
    "settings": lambda board: (board.folder / "issuing.pem").write_text("another key"),
    "fonts": lambda board: (board.folder / "mincho.ttf").write_text("a silent update"),
    "recordings": lambda board: (board.folder / "voice/ja/hello.wav").unlink(),
    "eras": lambda board: board.patch.setattr(era, "ERAS", (("平成", date(1989, 1, 8)),)),
    "topology": lambda board: board.patch.setattr(attestation, "MODELS", (board.fleet,)),
}


def test_a_board_as_it_was_signed_has_no_trouble(board: Board) -> None:
    assert board.trouble() == ""


def test_every_item_is_tried() -> None:
    assert CHANGES.keys() == attestation.ITEMS.keys()


@pytest.mark.parametrize("item", CHANGES)
def test_what_differs_is_named(item: str, board: Board) -> None:
    CHANGES[item](board)
    assert board.trouble() == item


def test_a_library_that_was_exchanged_is_another_build(board: Board) -> None:
    found = attestation._build(board.config, board.path)
    board.patch.setattr(attestation, "_record", lambda _: "exchanged")
    assert attestation._build(board.config, board.path) != found


def test_the_settings_tell_of_a_device_that_is_elsewhere(board: Board) -> None:
    before = attestation.measure(board.config, board.path).items
    board.change("cash", "port", "/dev/madoguchi/other")
    after = attestation.measure(board.config, board.path).items
    assert {item for item in before if before[item] != after[item]} == {"settings", "topology"}


def test_an_item_that_nobody_signed_is_named(board: Board) -> None:
    found = attestation.measure(board.config, board.path)
    board.write(
        sign(FLEET_KEY, replace(found, items={k: v for k, v in found.items.items() if k != "eras"}))
    )
    assert board.trouble() == "eras"


def test_another_kiosks_measurement_is_none(board: Board) -> None:
    found = attestation.measure(board.config, board.path)
    board.write(sign(FLEET_KEY, replace(found, kiosk="kiosk-2")))
    assert board.trouble() == "build"
    board.write(sign(FLEET_KEY, replace(found, kiosk=None)))
    assert board.trouble() == ""


def test_only_a_pinned_key_signs() -> None:
    measured = Measured(build="1", items={"eras": "0" * 64})
    signed = sign(Ed25519PrivateKey.generate(), measured)
    with pytest.raises(AttestationError, match="none of the pinned"):
        read_signed([FLEET_KEY.public_key()], signed)
    whole = sign(FLEET_KEY, measured)
    assert read_signed([FLEET_KEY.public_key()], whole) == measured
    for damaged in (whole[:-9], b"", b"{}", whole.replace(b'"measured":"', b'"measured":"AAAA')):
        with pytest.raises(AttestationError):
            read_signed([FLEET_KEY.public_key()], damaged)


def test_a_missing_file_is_one_line(board: Board) -> None:
    board.signed.unlink()
    with pytest.raises(AttestationError, match=r"kiosk\.signed: No such file"):
        board.trouble()


def test_a_kiosk_that_nobody_attests_is_not_measured(board: Board) -> None:
    config: Any = SimpleNamespace(attestation=None)
    assert attestation.trouble(config, board.path) == ""


# -- closed, and open again


def test_the_kiosk_is_closed_with_the_items_name_and_starts_anew_when_it_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    right = False
    books: Any = SimpleNamespace(
        open_case=lambda code, pauses: opened.append(code) or "case", is_sound=lambda: True
    )
    monkeypatch.setattr(closure, "MEASURE_S", 0.0)
    closed = Closure.for_attestation(books, "fonts", lambda: right)
    assert (closed.problem, closed.number, opened) == (CONFIG, "fonts", ["attestation.fonts"])
    assert not closed.is_worth_a_try(Path("/"), books), "what runs is not what was signed"
    assert not closed.ends_with_a_start()
    right = True
    assert closed.ends_with_a_start()


def test_other_closures_do_not_end_so() -> None:
    assert not Closure(CONFIG, "1", time.monotonic() - 1).ends_with_a_start()


# -- a fleet


def test_a_configuration_of_the_fleet_is_that_kiosks(board: Board) -> None:
    assert board.config.kiosk.id == "kiosk-1"
    fleet.write_configuration(board.fleet, "kiosk-1", board.path)  # again: nothing to do
    with pytest.raises(ConfigError, match="says something else"):
        fleet.write_configuration(board.fleet, "kiosk-2", board.path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[kiosks.kiosk-2]", r"has no kiosks\.kiosk-1"),
        ("[some.kiosk]", r"only \[all\]"),
        ("[", "fleet"),
        ("[kiosks.kiosk-1]", "kiosk-1: Object missing required field"),
    ],
)
def test_a_mistake_in_a_fleet_is_one_line(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(content)
    with pytest.raises(ConfigError, match=told):
        fleet.write_configuration(tmp_path / "fleet.toml", "kiosk-1", tmp_path / "kiosk.toml")
    assert not list(tmp_path.glob("kiosk.toml*"))
