"""What a city lets out, the kiosk takes: every sheet goes through the kiosk's one door, and poppler
reads it again.
"""

from __future__ import annotations

import msgspec
import pytest
from city_bench import Rehearsal, sha256
from paper_bench import assert_taken, order, some_choices, visit_of

from city import sample
from firmware.link import messages, sealing, signing
from firmware.link.client import CityRefusal
from firmware.link.messages import RefusalCode
from firmware.sheets.admit import Admitted
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.fault import SheetReason

KINDS = {
    "akashi": {"juminhyo", "inkan", "kazei"},
    "shiomi": {
        "juminhyo",
        "kisai",
        "inkan",
        "shotoku",
        "koseki-zenbu",
        "koseki-kojin",
        "fuhyo-zenbu",
        "fuhyo-kojin",
        "nozei",
        "keiji-nozei",
    },
}
NO_SESSION = {
    "sakura",
    "misaki",
    "makoto",
    "ryo",
    "takuya",
}  # the rules refuse these people; `test_journey` says with what
UNPRINTABLE = {"susumu"}
HOLDERS = [person.id for person in sample.load() if person.card and person.id not in NO_SESSION]


@pytest.mark.parametrize("resident", sorted(set(HOLDERS) - UNPRINTABLE))
def test_the_kiosk_takes_every_certificate_of_every_sample_resident(
    town: Rehearsal, resident: str
) -> None:
    visit = visit_of(town, resident)
    possible = [offer for offer in visit.session.offers if offer.refusal is None]
    assert possible
    for offer in possible:
        for choices in some_choices(offer):
            assert_taken(order(town, visit, offer.kind, **choices))


def test_copies_are_of_the_same_sheets(town: Rehearsal) -> None:
    visit = visit_of(town, "hanako")
    assert {offer.kind for offer in visit.session.offers if offer.refusal is None} == KINDS[
        town.folder.name[:6]
    ]
    made = order(town, visit, "juminhyo", 3, scope=("household",))
    assert_taken(made)
    assert isinstance(made.verdict, Admitted)
    assert (made.verdict.copies, made.verdict.fee, len(made.verdict.sheets)) == (
        3,
        made.manifest.fee,
        1,
    )


def test_characters_nobody_can_print_are_refused(town: Rehearsal) -> None:
    visit = visit_of(town, "susumu")
    offered = [offer for offer in visit.session.offers if not offer.refusal]
    assert len(offered) >= 2
    for offer in offered:
        with pytest.raises(CityRefusal) as caught:
            order(town, visit, offer.kind)
        assert caught.value.refusal.code is RefusalCode.CHARACTERS


def test_a_neighbours_document_is_refused(town: Rehearsal) -> None:
    """Signed by the city, for this very order, and right in all but that another's paper came with
    it.
    """
    taro, eri = visit_of(town, "taro"), visit_of(town, "eri")
    for kind in ("juminhyo", "inkan"):
        theirs, own = order(town, eri, kind), order(town, taro, kind)
        assert_taken(own)
        manifest = msgspec.structs.replace(own.manifest, document_sha256=sha256(theirs.pdf))
        body = msgspec.json.encode(manifest)
        taro.answer = messages.OrderAnswer(
            order=manifest.order,
            manifest=body,
            manifest_signature=signing.sign_manifest(town.city.issuing, body),
            sealed=sealing.seal(
                taro.keys.public,
                messages.seal_info(manifest.kiosk, manifest.session, manifest.order),
                theirs.pdf,
            ),
        )
        assert taro.admits(town.trust) == SheetRefused(SheetReason.PAGE_TEXT, 1)
