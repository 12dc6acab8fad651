"""The mis-issuances of 2023 and 2024, each done again by a city that does what that city did.

What came out of a kiosk is judged by the paper and the city's database (`attack_judge.judge`):
never another person's, never twice, and every yen accounted for. Each attempt has a reason of its
own, a case, and a paused path.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest
from attack_bench import Attack, Kiosk, Wish
from attack_judge import Table, judge
from city_bench import Rehearsal
from insider import Insider
from sqlalchemy import insert, select, update

from city import tables
from city.typesetting import typeset

INKAN, SELF, HOUSEHOLD = Wish("inkan"), Wish("juminhyo"), Wish("juminhyo", {"scope": "household"})
ANOTHER = "yoshiko"


def caught(
    attack: Attack, table: Table, kiosk: Kiosk, case: str, told: str = "document-rejected"
) -> None:
    """Before money: named, a case, the path paused, and the person told where to go."""
    assert judge(attack, kiosk) == 0
    assert kiosk.coins.inserted == 0
    assert kiosk.cases == [case]
    assert kiosk.journal.paused()
    assert kiosk.refusal == told
    assert attack.hands.tried
    if told == "document-rejected":
        assert "078-918-5020" in kiosk.page_of_the_reason, "the person is told where to go"
        assert case.removeprefix("document.") in attack.reasons("sheets.rejected")
    table.add(attack.hands.how, case)


def alone(attack: Attack, how: str, wish: Wish, resident: str = "taro") -> Kiosk:
    """One person at one kiosk."""

    async def go(url: str) -> Kiosk:
        return await attack.kiosk(url, resident, wish).serve()

    return attack.run(how, go)


def one_after_the_other(attack: Attack, how: str, wish: Wish, *kiosks: str) -> list[Kiosk]:
    async def go(url: str) -> list[Kiosk]:
        first = await attack.kiosk(url, ANOTHER, wish, kiosks[0]).serve()
        return [first, await attack.kiosk(url, "taro", wish, kiosks[1]).serve()]

    return attack.run(how, go)


def at_once(attack: Attack, how: str, wish: Wish) -> list[Kiosk]:
    async def go(url: str) -> list[Kiosk]:
        both = (
            attack.kiosk(url, "taro", wish, "kiosk-1"),
            attack.kiosk(url, ANOTHER, wish, "kiosk-2"),
        )
        return list(await asyncio.gather(*(kiosk.serve() for kiosk in both)))

    return attack.run(how, go)


def change(attack: Attack, what: str) -> None:
    where, values = CHANGES[what]
    with attack.city.city.engine.begin() as connection:
        connection.execute(update(where.left.table).where(where).values(values))


@pytest.mark.parametrize(
    "wish", [SELF, HOUSEHOLD, INKAN, Wish("kazei"), Wish("inkan", {"copies": "2"})]
)
def test_a_city_in_order_serves(attack: Attack, wish: Wish) -> None:
    """What all that follows is compared with."""
    kiosk = alone(attack, "", wish)
    assert judge(attack, kiosk) == int(wish.picks.get("copies", "1"))
    assert kiosk.screens[-2:] == ["thanks", "ending"]
    assert kiosk.cases == []


# -- Yokohama, 27 March 2023 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kiosks", [("kiosk-1", "kiosk-1"), ("kiosk-2", "kiosk-1")], ids=["same kiosk", "another"]
)
@pytest.mark.parametrize(
    ("how", "case"),
    [("previous_file", "document.page-text"), ("previous_person", "document.page-text")],
)
def test_yokohama_2023_03_27_the_next_applicant_gets_the_file_of_one_who_timed_out(
    attack: Attack, table: Table, how: str, case: str, kiosks: tuple[str, str]
) -> None:
    """Under load the wait ran out; only the print order was released, and its file lay there for
    the next.
    """

    async def go(url: str) -> list[Kiosk]:
        attack.hands.stalls = [1.0]
        first = await attack.kiosk(url, ANOTHER, SELF, kiosks[0], order_deadline_s=0.4).serve()
        return [first, await attack.kiosk(url, "taro", SELF, kiosks[1]).serve()]

    first, second = attack.run(how, go)
    assert (judge(attack, first), first.coins.inserted, first.refusal) == (0, 0, "line-down")
    caught(attack, table, second, case)


def test_yokohama_2023_03_27_what_was_reserved_before_the_timeout_is_void(attack: Attack) -> None:
    """The whole issuance ends, not its print order alone: nothing of it can be released later."""

    async def go(url: str) -> Kiosk:
        attack.hands.stalls = [0.8]
        kiosk = await attack.kiosk(url, "taro", SELF, order_deadline_s=0.3).serve()
        await asyncio.sleep(0.8)
        return kiosk

    kiosk = attack.run("", go)
    assert judge(attack, kiosk) == 0
    with attack.city.city.engine.begin() as connection:
        assert (
            connection.execute(select(tables.orders).where(tables.orders.c.state != "void")).all()
            == []
        )
        assert connection.execute(select(tables.sessions.c.state)).scalars().all() == ["ended"]


@pytest.mark.parametrize(
    ("how", "case", "told"),
    [
        ("earlier_answer", "line.other-order", "line-down"),
        ("earlier_answer_renamed", "document.session", "document-rejected"),
        ("earlier_manifest", "document.session", "document-rejected"),
        ("earlier_document", "document.sealing", "document-rejected"),
    ],
)
def test_yokohama_2023_03_27_an_answer_that_was_not_released(
    attack: Attack, table: Table, how: str, case: str, told: str
) -> None:
    first, second = one_after_the_other(attack, how, SELF, "kiosk-1", "kiosk-1")
    assert judge(attack, first) == 1
    caught(attack, table, second, case, told)


@pytest.mark.parametrize(
    ("how", "case", "told"),
    [
        ("earlier_answer", "line.other-order", "line-down"),
        ("earlier_answer_renamed", "document.kiosk", "document-rejected"),
        ("earlier_manifest", "document.kiosk", "document-rejected"),
        ("earlier_document", "document.sealing", "document-rejected"),
    ],
)
def test_yokohama_2023_03_27_an_answer_of_another_kiosk(
    attack: Attack, table: Table, how: str, case: str, told: str
) -> None:
    first, second = one_after_the_other(attack, how, SELF, "kiosk-2", "kiosk-1")
    assert judge(attack, first) == 1
    caught(attack, table, second, case, told)


# -- Adachi, March and April 2023 ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "case", "told"),
    [
        ("collision", "document.page-text", "document-rejected"),
        ("swapped_orders", "line.other-order", "line-down"),
        ("swapped_sessions", "line.other-session", "line-down"),
        ("session_of_another", "document.record-version", "document-rejected"),
    ],
)
def test_adachi_2023_simultaneous_requests_collide(
    attack: Attack, table: Table, how: str, case: str, told: str
) -> None:
    for kiosk in at_once(attack, how, INKAN):
        caught(attack, table, kiosk, case, told)


def test_adachi_2023_two_releases_collide(attack: Attack, table: Table) -> None:
    """Each is told that the other's paper may come out: nothing does, and the money goes back."""
    for kiosk in at_once(attack, "swapped_releases", SELF):
        assert judge(attack, kiosk) == 0
        assert kiosk.coins.inserted == kiosk.coins.paid_out == 100
        assert kiosk.cases == ["line.other-order"]
        table.add("swapped_releases", "line.other-order")


def test_adachi_2023_two_challenges_collide(attack: Attack, table: Table) -> None:
    """Answers to hello are nobody's yet, but their challenge is one kiosk's: the city itself
    refuses.
    """
    for kiosk in at_once(attack, "swapped_terms", SELF):
        assert judge(attack, kiosk) == kiosk.coins.inserted == 0
        assert attack.reasons("line.refused") == ["challenge", "challenge"]
        table.add("swapped_terms", "refused.challenge")


def test_adachi_2023_an_error_notice_is_not_closed_by_applying_again(
    attack: Attack, table: Table
) -> None:
    """The kiosk that saw a mix-up serves nobody until a person has looked, however well the city
    behaves by then.
    """
    caught(attack, table, alone(attack, "other_holder", SELF), "document.members")
    again = alone(attack, "", SELF)
    assert (again.screens[-1], again.refusal) == ("ending", "case-open")
    assert "certificates" not in again.screens
    for case in again.journal.cases():
        again.journal.close_case(case.id, "looked into")
    assert judge(attack, alone(attack, "", SELF)) == 1


# -- Kawasaki, 2 May 2023 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "case"),
    [
        ("later_overwrites_earlier", "document.page-text"),
        ("later_overwrites_earlier_renumbered", "document.page-text"),
    ],
)
def test_kawasaki_2023_05_02_the_later_request_overwrites_the_earlier_of_that_second(
    attack: Attack, table: Table, how: str, case: str
) -> None:
    kiosks = at_once(attack, how, SELF)
    wrong = [kiosk for kiosk in kiosks if not kiosk.sheets.pages]
    assert len(wrong) == 1
    assert sum(judge(attack, kiosk) for kiosk in kiosks) == 1
    caught(attack, table, wrong[0], case)


# -- Tokushima, March 2023 -------------------------------------------------------------------------


def test_tokushima_2023_sheet_2_of_3_is_another_persons(attack: Attack, table: Table) -> None:
    with attack.city.city.engine.begin() as connection:
        kenta = connection.execute(select(tables.residents).filter_by(id="kenta")).mappings().one()
        for n, given in enumerate("一二三四五六七八", 10):
            connection.execute(
                insert(tables.residents).values(
                    {**kenta, "id": f"k{n}", "position": n, "name": f"明石　{given}"}
                )
            )
    whole = alone(attack, "", HOUSEHOLD)
    assert judge(attack, whole) == 3
    caught(attack, table, alone(attack, "second_sheet_of_another", HOUSEHOLD), "document.page-text")
    assert [f["page"] for name, f in attack.logged if name == "sheets.rejected"] == [2]


# -- Niigata, Saitama, Kumamoto, 2023 --------------------------------------------------------------

CHANGES = {
    "the seal is deregistered": (
        tables.seals.c.resident == "taro",
        {"deregistered_on": date(2026, 11, 24)},
    ),
    "the resident has moved out": (tables.residents.c.id == "taro", {"standing": "moved-out"}),
    "the resident is protected": (tables.residents.c.id == "taro", {"protected": True}),
    "the card is revoked": (tables.cards.c.resident == "taro", {"revoked": True}),
    "a member has died": (tables.residents.c.id == "hanako", {"standing": "dead"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_niigata_saitama_kumamoto_2023_the_record_changes_before_the_release(
    attack: Attack, table: Table, what: str
) -> None:
    """Only the city can know; it asks its records again at the moment of release, and the money
    goes back.
    """

    async def go(url: str) -> Kiosk:
        kiosk = attack.kiosk(url, "taro", INKAN)
        kiosk.when["paying"] = lambda: change(attack, what)
        return await kiosk.serve()

    kiosk = attack.run("", go)
    assert judge(attack, kiosk) == 0
    assert kiosk.coins.inserted == kiosk.coins.paid_out == 100
    assert kiosk.refusal == "changed-meanwhile"
    table.add(what, "refused.changed-meanwhile")


def test_niigata_saitama_kumamoto_2023_the_seal_is_deregistered_before_the_order(
    attack: Attack, table: Table
) -> None:
    async def go(url: str) -> Kiosk:
        kiosk = attack.kiosk(url, "taro", INKAN)
        kiosk.when["confirm"] = lambda: change(attack, "the seal is deregistered")
        return await kiosk.serve()

    kiosk = attack.run("", go)
    assert judge(attack, kiosk) == kiosk.coins.inserted == 0
    assert kiosk.refusal == "changed-meanwhile", (
        "the session's commitments are to a file that is another now"
    )
    table.add("the seal is deregistered", "refused.changed-meanwhile")


# -- Munakata, 28 June 2023 ------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [SELF, INKAN, Wish("kazei")], ids=lambda wish: wish.kind)
@pytest.mark.parametrize(
    ("how", "case"),
    [("previous_file", "document.page-text"), ("previous_person", "document.page-text")],
)
def test_munakata_2023_06_28_the_previous_applicants_document(
    attack: Attack, table: Table, how: str, case: str, wish: Wish
) -> None:
    first, second = one_after_the_other(attack, how, wish, "kiosk-1", "kiosk-1")
    assert judge(attack, first) == 1
    caught(attack, table, second, case)


def test_munakata_2023_06_28_nothing_of_the_previous_applicant_is_left_in_the_kiosk(
    attack: Attack,
) -> None:
    first, second = one_after_the_other(attack, "", SELF, "kiosk-1", "kiosk-1")
    assert (judge(attack, first), judge(attack, second)) == (1, 1)
    assert (first.vault.sheets, first.vault.key, first.vault.answer, first.vault.certificate) == (
        (),
        None,
        None,
        b"",
    )
    assert not any(first.holder in page for page in second.shown)


# -- Takamatsu, 4 April 2024 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elsewhere", "told", "reason", "paid"),
    [
        ("sessions", "too-slow", "challenge", 0),
        ("orders", "too-slow", "session-unknown", 0),
        ("release", "too-slow", "session-unknown", 100),
    ],
)
def test_takamatsu_2024_04_04_a_build_for_one_server_on_a_site_of_several(
    attack: Attack, table: Table, tmp_path: Path, elsewhere: str, told: str, reason: str, paid: int
) -> None:
    """Two gateways that should share one database have one each: whatever reaches the other one is
    refused.
    """
    (tmp_path / "second").mkdir()
    city = attack.city
    second = Rehearsal(tmp_path / "second", city.pki, city.authority, city.card_key)
    second.typeset = typeset

    async def go(url: str) -> Kiosk:
        return await second.run(lambda other: through(url, other))()

    async def through(url: str, other: str) -> Kiosk:
        async with Insider(city.pki, [url, other]) as balancer:
            balancer.tampers["kiosk-1"] = lambda call: call.ask(gateway=int(call.name == elsewhere))
            return await attack.kiosk(balancer.address, "taro", SELF).serve()

    kiosk = attack.run("", go)
    second.city.engine.dispose()
    assert judge(attack, kiosk) == 0
    assert kiosk.coins.inserted == kiosk.coins.paid_out == paid
    assert kiosk.refusal == told
    assert reason in attack.reasons("line.refused")
    table.add(f"{elsewhere} at a gateway with a database of its own", f"refused.{reason}")


# -- their siblings --------------------------------------------------------------------------------


def test_sanda_a_font_update_has_swapped_rare_characters(attack: Attack, table: Table) -> None:
    caught(attack, table, alone(attack, "new_font", SELF), "document.drawing")


@pytest.mark.parametrize(
    ("how", "case"),
    [
        ("old_era", "document.date"),
        ("old_era_on_paper", "document.page-text"),
        ("yesterday", "document.date"),
    ],
)
def test_osaka_an_old_era_or_another_day_is_printed(
    attack: Attack, table: Table, how: str, case: str
) -> None:
    caught(attack, table, alone(attack, how, SELF), case)


@pytest.mark.parametrize(
    ("how", "case"), [("no_seal_on_paper", "document.picture"), ("no_seal", "document.seal")]
)
def test_okayama_the_seal_is_missing(attack: Attack, table: Table, how: str, case: str) -> None:
    caught(attack, table, alone(attack, how, INKAN), case)


@pytest.mark.parametrize(
    ("how", "case"),
    [
        ("other_holder", "document.members"),
        ("other_members", "document.members"),
        ("one_person_too_many", "document.boxes"),
        ("one_person_missing", "document.boxes"),
        ("holder_of_another", "document.opened-unasked"),
        ("members_in_disorder", "document.members"),
        ("other_kind", "document.kind"),
        ("other_title", "document.title"),
    ],
)
def test_every_other_way_to_mix_up_people_and_papers(
    attack: Attack, table: Table, how: str, case: str
) -> None:
    caught(attack, table, alone(attack, how, HOUSEHOLD), case)
