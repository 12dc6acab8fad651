"""What happens to a card while a session runs, over a reader's socket."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from card_bench import PIN, Watched, until, whole_session

from hal.card import jpki
from hal.card.contract import CardChannel, CardPresence
from hal.card.jpki import CardCause, CardRefused
from hal.faults import DeviceFault, Reason
from hal.sim.card.options import CardFaults
from hal.sim.card.pki import CardCa
from hal.sim.card.wire import CardProgram

VERIFY = 3  # select, tries query, VERIFY
MISHAPS = {
    "yank_before": (CardFaults(yank_before=VERIFY), Reason.REMOVED),
    "yank_after": (CardFaults(yank_after=VERIFY), Reason.REMOVED),
    "yank_answered": (
        CardFaults(yank_answered=VERIFY),
        None,
    ),  # the answer came; what comes next fails
    "lose_answer": (CardFaults(lose_answer=VERIFY), Reason.SILENT),
    "glitch": (CardFaults(glitch=VERIFY), CardCause.UNREADABLE),
    "glitch_status": (CardFaults(glitch=VERIFY, glitch_status=0x6985), CardCause.UNREADABLE),
    "lose_command": (CardFaults(lose_command=VERIFY), Reason.SILENT),
    "empty_answer": (CardFaults(empty_answer=VERIFY), Reason.SILENT),
    "cut_answer": (CardFaults(cut_answer=VERIFY), Reason.GARBLED),
    "damage_answer": (CardFaults(damage_answer=VERIFY), None),  # it has no data
    "bounce_at": (CardFaults(bounce_at=VERIFY), Reason.REMOVED),
    "bounce_ms": (CardFaults(bounce_at=VERIFY, bounce_ms=10), Reason.REMOVED),
    "deaf": (CardFaults(deaf=True), Reason.SILENT),
    "yank_at_verify": (CardFaults(yank_at_verify=True), Reason.REMOVED),
    "mute_at_verify": (CardFaults(mute_at_verify=True), Reason.SILENT),
    "mute_resets": (CardFaults(mute_resets=1), Reason.MUTE),
    "mute": (CardFaults(mute=True), Reason.MUTE),
    "apdu_ms": (CardFaults(apdu_ms=5.0), None),
    "sign_ms": (CardFaults(sign_ms=50.0), None),
    "flaps": (CardFaults(flaps=3), None),
    "flap_ms": (CardFaults(flaps=1, flap_ms=60.0), None),
}


def connected(watched: Watched) -> CardChannel:
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    return watched.reader.connect(stay)


def begun(watched: Watched) -> tuple[CardChannel, jpki.CardFacts]:
    channel = connected(watched)
    return channel, jpki.begin(channel)


def test_every_mishap_is_tried() -> None:
    assert set(MISHAPS) == {fault.name for fault in fields(CardFaults)}


@pytest.mark.parametrize("name", MISHAPS)
def test_a_mishap_during_verify_is_never_a_wrong_pin(
    watched: Watched, program: CardProgram, name: str
) -> None:
    faults, reason = MISHAPS[name]
    program.faults = replace(faults)
    program.insert()
    if name.startswith("flap"):
        until(lambda: program.connected)
    if name in ("mute", "deaf", "mute_resets"):
        with pytest.raises(DeviceFault) as fault:
            begun(watched)
        assert fault.value.reason is reason
        return
    channel, facts = begun(watched)
    if reason is None:
        jpki.verify(channel, bytearray(PIN.encode()), facts)
    elif isinstance(reason, CardCause):
        with pytest.raises(CardRefused) as refused:
            jpki.verify(channel, bytearray(PIN.encode()), facts)
        assert refused.value.cause is reason
    else:
        with pytest.raises(DeviceFault) as fault:
            jpki.verify(channel, bytearray(PIN.encode()), facts)
        assert fault.value.reason is reason
    assert program.apdus == VERIFY, "nothing was sent again"


@pytest.mark.parametrize(
    ("fault", "left"),
    [("yank_before", 3), ("yank_after", 2), ("yank_answered", 2), ("lose_answer", 2)],
)
def test_the_tries_are_asked_for_when_the_card_is_back(
    watched: Watched, program: CardProgram, fault: str, left: int
) -> None:
    """A wrong PIN whose answer nobody saw: the counter tells, and no PIN is sent again."""
    program.faults = CardFaults(**{fault: VERIFY})
    program.insert()
    channel, facts = begun(watched)
    with pytest.raises((DeviceFault, CardRefused)):
        jpki.verify(channel, bytearray(b"9999"), facts)
    program.remove()
    watched.wait(CardPresence.ABSENT)
    program.faults = CardFaults()
    program.insert()
    _, facts = begun(watched)
    assert facts.tries == left
    assert program.applet.tries == left


def test_a_card_pulled_once_it_answered_is_gone_for_the_next_command(
    watched: Watched, program: CardProgram
) -> None:
    program.faults = CardFaults(yank_answered=VERIFY)
    program.insert()
    channel, facts = begun(watched)
    jpki.verify(channel, bytearray(PIN.encode()), facts)
    with pytest.raises(DeviceFault) as fault:
        jpki.read_certificate(channel, facts)
    assert fault.value.reason is Reason.REMOVED
    assert not program.inserted


@pytest.mark.parametrize("fault", ["lose_answer", "empty_answer", "cut_answer"])
def test_the_power_is_cut_behind_a_fault_too(
    watched: Watched, program: CardProgram, fault: str
) -> None:
    """A PIN that was verified would stand for as long as the card lies there."""
    program.faults = CardFaults(**{fault: VERIFY})
    program.insert()
    channel, facts = begun(watched)
    with pytest.raises(DeviceFault):
        jpki.verify(channel, bytearray(PIN.encode()), facts)
    assert program.applet.verified
    channel.disconnect()
    until(lambda: not program.applet.verified)
    stay = watched.reader.status().stay
    assert stay is not None
    assert jpki.begin(watched.reader.connect(stay)).tries == 3  # the same stay, powered up again


def test_a_card_that_bounces_is_one_stay_after_the_last_bounce(
    watched: Watched, program: CardProgram, ca: CardCa
) -> None:
    program.faults = CardFaults(flaps=4, flap_ms=15)
    program.insert()
    until(lambda: program.connected)
    until(lambda: watched.reader.status().presence is CardPresence.PRESENT)
    channel = connected(watched)
    assert whole_session(channel, [ca.certificate])
    presences = [status.presence for status in watched.told]
    assert presences.count(CardPresence.PRESENT) >= 3
    assert all(
        status.stay is not None
        for status in watched.told
        if status.presence is CardPresence.PRESENT
    )


def test_a_tries_query_on_a_living_connection(watched: Watched, program: CardProgram) -> None:
    program.insert()
    channel, facts = begun(watched)
    with pytest.raises(CardRefused) as refused:
        jpki.verify(channel, bytearray(b"9999"), facts)
    assert refused.value.cause is CardCause.PIN_WRONG
    assert jpki.tries_left(channel, facts) == 2
