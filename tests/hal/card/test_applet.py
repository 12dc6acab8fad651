from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.sim.card.applet import AID, DIGEST_INFO_SHA256, Applet, Options
from hal.sim.card.pki import load_card

SELECT = bytes.fromhex("00A4040C0A") + AID
DIGEST = hashes.Hash(hashes.SHA256()).finalize()
SIGN = bytes.fromhex("802A009733") + DIGEST_INFO_SHA256 + DIGEST + b"\x00"


def ask(applet: Applet, *commands: str | bytes) -> list[str]:
    """Status words of a sequence of commands."""
    return [
        applet.handle(bytes.fromhex(c) if isinstance(c, str) else c)[-2:].hex().upper()
        for c in commands
    ]


def test_pin_locks_after_three_misses_and_stays_locked(applet: Applet) -> None:
    wrong, right = "002000980439393939", "002000980431323334"
    assert ask(applet, SELECT, "00200098", wrong, wrong, wrong) == [
        "9000",
        "63C3",
        "63C2",
        "63C1",
        "63C0",
    ]
    assert ask(applet, right, "00200098", SIGN) == ["6984", "63C0", "6982"]
    applet.power_off()
    assert ask(applet, SELECT, right) == ["9000", "6984"]


def test_right_pin_restores_the_counter_and_lives_until_power_off(applet: Applet) -> None:
    assert ask(applet, SELECT, SIGN, "002000980430303030", "002000980431323334") == [
        "9000",
        "6982",
        "63C2",
        "9000",
    ]
    assert applet.tries == 3
    applet.reset()
    assert ask(applet, SELECT, SIGN) == ["9000", "9000"]
    applet.power_off()
    assert ask(applet, SELECT, SIGN) == ["9000", "6982"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00", "6700"),
        ("00A4040C0B" + AID.hex() + "00", "6A82"),  # another applet
        ("00A4040C0A" + AID.hex() + "00", "6700"),  # Le where none belongs
        ("00A404000A" + AID.hex(), "6A86"),  # FCI asked for
        ("80A4040C0A" + AID.hex(), "6E00"),
        ("00A4020C020099", "6A82"),
        ("00A4020C0100", "6700"),
        ("00B0000000", "6986"),  # no file selected
        ("00B08A00", "6700"),  # no Le
        ("00B08A0000FFFF", "6700"),  # extended length
        ("00B0970000", "6981"),  # a key is no transparent file
        ("00B0810000", "6982"),  # the signature certificate wants the other PIN
        ("00B0AA0000", "6A86"),
        ("0020009800", "6700"),  # Lc of zero
        ("0020009803313233", "6700"),
        ("00200098053132333435", "6700"),
        ("00200098043132333400", "6700"),
        ("0020019804" + "31323334", "6A86"),
        ("0020001804" + "31323334", "6A86"),
        ("0020009704" + "31323334", "6986"),  # a key is no PIN
        ("8020009804" + "31323334", "6E00"),
        ("002A009733" + SIGN[5:].hex(), "6E00"),
        (SIGN[:-1].hex(), "6700"),
        ("802A009714" + "00" * 20 + "00", "6700"),
        ("802A009733" + "00" * 51 + "00", "6A80"),
        ("0084000008", "6D00"),
    ],
)
def test_anything_not_exactly_right_is_refused_and_spends_no_try(
    applet: Applet, command: str, status: str
) -> None:
    assert ask(applet, SELECT, command) == ["9000", status]
    assert applet.tries == 3
    assert not applet.verified


def test_files_read_by_selection_and_by_short_identifier_end_in_filler(
    applet: Applet, folder: Path
) -> None:
    der = (folder / "certificate.der").read_bytes()
    ask(applet, SELECT, "00A4020C02000A")
    selected = b"".join(applet.handle(bytes([0, 0xB0, page, 0, 0]))[:-2] for page in range(8))
    assert selected == der.ljust(2048, b"\xff")
    assert applet.handle(bytes.fromhex("00B08A0000"))[:-2] == der[:256]
    assert ask(applet, "00B0080000", "00B007F020") == ["6B00", "6282"]


VERIFY, READ = "002000980431323334", "00B08A0000"
DONE = "9000"


@pytest.mark.parametrize(
    ("options", "commands", "statuses"),
    [
        (Options(short_ef=False), [READ, "00200098", SIGN], ["6A86", "6A86", "6A86"]),
        (Options(kind="android"), [READ, VERIFY, READ], ["6982", DONE, DONE]),
        (Options(applet=False), [SELECT, READ], ["6A82", "6A82"]),
        (Options(exact_le=True), ["00B0860000", "00B08600A0"], ["6CA0", DONE]),
        (Options(exact_le=True, read_limit=100), [READ, "00B08A0064"], ["6C64", DONE]),
        (Options(chunk=100), [READ, "00C000009C", "00C0000038"], ["619C", "6138", DONE]),
        (Options(chunk=100), ["00C0000010", READ, "00C00000FF"], ["6985", "619C", "6C9C"]),
        (
            Options(chunk=100),
            [READ, "00C0010010", "00C00000", "00C000009C"],
            ["619C", "6A86", "6700", "6138"],
        ),
        (Options(chunk=100), [READ, "00200098", "00C000009C"], ["619C", "63C3", "6985"]),
        (Options(t0=True), [VERIFY, SIGN, "00C0000000"], [DONE, "6100", DONE]),
        (Options(state_query=True), ["00200098", VERIFY, "00200098"], ["63C3", DONE, DONE]),
        (Options(extended=True), ["00B08A00000000", "00B08A000002"], [DONE, "6700"]),
        (Options(extended=True), ["00B08A0000000A", "00B08A00000001FF00"], [DONE, "6700"]),
    ],
)
def test_options(folder: Path, options: Options, commands: list[str], statuses: list[str]) -> None:
    card = load_card(folder)
    card.options = options
    card.handle(SELECT)
    assert ask(card, *commands) == statuses


def test_a_locked_card_may_say_so_in_its_tries_query(folder: Path) -> None:
    card = load_card(folder, options={"state_query": True}, tries=0)
    assert ask(card, SELECT, "00200098", VERIFY) == [DONE, "6984", "6984"]


def test_the_first_command_after_power_up_may_fail(folder: Path) -> None:
    card = load_card(folder, options={"first_6f00": True})
    assert ask(card, SELECT, SELECT, READ) == ["6F00", DONE, DONE]
    card.reset()
    assert ask(card, SELECT) == [DONE]
    card.power_off()
    assert ask(card, SELECT, SELECT) == ["6F00", DONE]


def test_extended_lengths(folder: Path) -> None:
    card = load_card(folder, options={"extended": True})
    der = (folder / "certificate.der").read_bytes()
    assert ask(card, "00A4040C00000A" + AID.hex()) == [DONE]
    assert card.handle(bytes.fromhex("00B08A00000000"))[:-2] == der.ljust(2048, b"\xff")
    assert card.handle(bytes.fromhex("00B08A00000400"))[:-2] == der[:1024]
    assert ask(card, "0020009800000431323334") == [DONE]
    assert (
        len(
            card.handle(bytes.fromhex("802A0097000033") + DIGEST_INFO_SHA256 + DIGEST + b"\x01\x00")
        )
        == 258
    )


@pytest.mark.parametrize(
    ("kind", "label"),
    [("card", "JPKIAPICCTOKEN2"), ("android", "JPKIAPGPSETOKEN"), ("iphone", "JPKIAPIOSTOKEN")],
)
def test_the_token_says_what_it_is(folder: Path, kind: str, label: str) -> None:
    card = load_card(folder, options={"kind": kind})
    card.handle(SELECT)
    assert card.handle(bytes.fromhex("00B0860020"))[:-2].decode() == label.ljust(32)


HEADS = st.sampled_from(
    ["00A4040C", "00A4020C", "00B0", "00B08A", "00200080", "00200098", "802A0097", ""]
)
COMMANDS = st.builds(lambda head, tail: bytes.fromhex(head) + tail, HEADS, st.binary(max_size=300))


def well_formed_verify(apdu: bytes) -> bool:
    return (
        len(apdu) == 9 and apdu[:3] == b"\x00\x20\x00" and apdu[3] & 0x80 == 0x80 and apdu[4] == 4
    )


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, max_size=12))
def test_no_command_crashes_the_card_and_only_a_real_verify_spends_a_try(
    folder: Path, commands: list[bytes]
) -> None:
    card = Applet(b"\x30\x82", b"\x30\x82", None, "1234")  # type: ignore[arg-type]
    card.handle(SELECT)
    for apdu in commands:
        before = card.tries
        answer = card.handle(apdu)
        assert 2 <= len(answer) <= 258
        assert card.tries >= before or well_formed_verify(apdu)


def test_the_counter_is_remembered_only_when_asked(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    wrong = "002000980439393939"
    ask(load_card(tmp_path), SELECT, wrong)
    assert load_card(tmp_path).tries == 3
    ask(load_card(tmp_path, remember=True), SELECT, wrong, wrong)
    assert load_card(tmp_path).tries == 1
