"""What both cities issue passes the kiosk's own check, sheet by sheet; a neighbour's document does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from city_bench import CITY_FILES, NOON, Rehearsal, Visit
from city_bench import refused as refusal_of

from city import municipality
from city.typesetting import typeset
from firmware.link import messages as m
from firmware.sheets import check
from firmware.sheets.fault import SheetFault, SheetReason

CITIES = {name: municipality.load(path) for name, path in CITY_FILES.items()}
KINDS = {"akashi": {"juminhyo", "inkan", "kazei"}, "shiomi": {"juminhyo", "kisai", "inkan", "shotoku"}}


def everything(offer: m.Offer) -> dict[str, tuple[str, ...]]:
    """The whole household, and every field."""
    asked = {option.id: option for option in offer.options}
    choices = {"scope": ("household",)} if "scope" in asked else {}
    if "fields" in asked:
        choices["fields"] = tuple(choice.id for choice in asked["fields"].choices)
    return choices


def expected(
    visit: Visit, session: m.SessionAnswer, manifest: m.Manifest, choices: dict[str, object]
) -> check.Expected:
    return check.Expected(
        session=session.session,
        order=visit.order.order,
        kiosk="kiosk-1",
        card_sha256=manifest.card_sha256,
        request_sha256=m.request_sha256(visit.order),
        holder=session.holder,
        members=tuple(session.members.values()) if "scope" in choices else (),
        kind=visit.order.kind,
        title=manifest.title,
        days=(NOON.date(), NOON.date()),
        copies=visit.order.copies,
        fee=manifest.fee,
    )


def issued(rehearsal: Rehearsal, city: str, resident: str) -> dict[str, tuple[m.Manifest, bytes, check.Expected]]:
    """Every certificate this resident can have there, as the kiosk gets it."""
    rehearsal.typeset = typeset
    rehearsal.city = replace(rehearsal.city, data=CITIES[city])
    found = {}

    async def scenario(url: str) -> None:
        line = rehearsal.line(url)
        try:
            visit = Visit(line, rehearsal.card(resident))
            session = await visit.enter()
            for offer in session.offers:
                if offer.refusal is None:
                    choices = everything(offer)
                    manifest, pdf = await visit.orders(offer.kind, 1, **choices)
                    found[offer.kind] = (manifest, pdf, expected(visit, session, manifest, choices))
        finally:
            await line.close()

    asyncio.run(rehearsal.run(scenario)())
    return found


@pytest.mark.parametrize("city", CITIES)
@pytest.mark.parametrize(
    "resident", ["taro", "genzo", "mai", "maria", "eri", "yoshiko", "hitokoto", "naoki", "chie", "koichi"]
)
def test_the_kiosk_accepts_what_the_city_issues(rehearsal: Rehearsal, city: str, resident: str) -> None:
    found = issued(rehearsal, city, resident)
    taxed = resident not in ("maria", "eri")
    sealed = resident != "maria"
    assert found.keys() == {
        kind for kind in KINDS[city] if (taxed or kind not in ("kazei", "shotoku")) and (sealed or kind != "inkan")
    }
    for kind, (manifest, pdf, wanted) in found.items():
        check.check_manifest(manifest, wanted)
        check.check_document(pdf, manifest, wanted)
        assert manifest.pages == (3 if (resident, kind) == ("genzo", "juminhyo") else 1)
        assert manifest.issued_on == "令和8年11月24日"


def test_a_neighbours_document_is_refused(rehearsal: Rehearsal) -> None:
    taro = issued(rehearsal, "shiomi", "taro")
    eri = issued(rehearsal, "shiomi", "eri")
    for kind in ("juminhyo", "kisai", "inkan"):
        manifest, _, wanted = taro[kind]
        theirs, pdf, _ = eri[kind]
        swapped = replace_hash(manifest, theirs)
        with pytest.raises(SheetFault) as caught:
            check.check_document(pdf, swapped, wanted)
        assert caught.value.reason in (SheetReason.STRANGER_PRINTED, SheetReason.UNIQUE_NUMBER)


def replace_hash(manifest: m.Manifest, theirs: m.Manifest) -> m.Manifest:
    """Right in everything but that another's document came with it."""
    return msgspec.structs.replace(manifest, document_sha256=theirs.document_sha256, pages=theirs.pages)


@pytest.mark.parametrize("city", CITIES)
def test_characters_nobody_can_print_are_refused(rehearsal: Rehearsal, city: str) -> None:
    codes = []

    async def scenario(url: str) -> None:
        line = rehearsal.line(url)
        try:
            visit = Visit(line, rehearsal.card("susumu"))
            session = await visit.enter()
            for offer in session.offers:
                codes.append(await refusal_of(visit.orders(offer.kind)))
        finally:
            await line.close()

    rehearsal.typeset = typeset
    rehearsal.city = replace(rehearsal.city, data=CITIES[city])
    asyncio.run(rehearsal.run(scenario)())
    assert set(codes) == {m.RefusalCode.CHARACTERS}
