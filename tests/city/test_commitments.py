"""What the city binds itself to with a session: salted hashes; no value is told before it is asked
for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import msgspec
import pytest
from city_bench import CITY_FILES, Card, Direct, Rehearsal, Visit, sha256, strings
from hypothesis import assume, given
from hypothesis import strategies as st
from paper_bench import some_choices
from test_city_sheets import HOLDERS, UNPRINTABLE

from city import files, municipality
from city.commitments import SEED_SIZE, commit, openings
from city.composition import Values, session_records
from city.records import File
from firmware.link import messages
from firmware.link.commitments import MAX_FIELDS, Field, Opening, commitment, field_hash, opened
from firmware.link.content import IMPRINT, NAME

replace = msgspec.structs.replace

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
RECORDS = st.sampled_from(["m1", "m2", "m10", "seal", "y2026", "y2025"])
VERSIONS = st.integers(0, 2**53 - 1)
SEEDS = st.binary(min_size=SEED_SIZE, max_size=SEED_SIZE)
FIELDS = st.builds(Field, label=TEXTS, value=TEXTS, salt=st.binary(min_size=16, max_size=16))
FIELD_LISTS = st.lists(FIELDS, min_size=1, max_size=8, unique_by=lambda field: field.label)
VALUES = st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=8)


def told_of(session: str, record: str, version: int, fields: Sequence[Field]) -> str:
    """The commitment to a record of which everything is open."""
    return commitment(
        session,
        record,
        version,
        Opening(labels=tuple(f.label for f in fields), fields=tuple(fields)),
    )


# -- a commitment is to this and nothing else ------------------------------------------------------


@given(IDS, RECORDS, VERSIONS, FIELD_LISTS, st.data())
def test_every_single_change_changes_the_told_of(
    session: str, record: str, version: int, fields: list[Field], data: st.DataObject
) -> None:
    told = told_of(session, record, version, fields)
    assert told_of(session, record, version, fields) == told
    assert (
        told_of(data.draw(IDS.filter(lambda other: other != session)), record, version, fields)
        != told
    )
    assert (
        told_of(session, data.draw(RECORDS.filter(lambda other: other != record)), version, fields)
        != told
    )
    assert (
        told_of(session, record, data.draw(VERSIONS.filter(lambda v: v != version)), fields) != told
    )
    at = data.draw(st.integers(0, len(fields) - 1))
    for name, values in (
        ("label", TEXTS),
        ("value", TEXTS),
        ("salt", st.binary(min_size=16, max_size=16)),
    ):
        value = data.draw(values, label=name)
        assume(value != getattr(fields[at], name))
        assume(name != "label" or value not in {field.label for field in fields})
        altered = [*fields[:at], replace(fields[at], **{name: value}), *fields[at + 1 :]]
        assert told_of(session, record, version, altered) != told
    assert told_of(session, record, version, fields[:at] + fields[at + 1 :]) != told
    more = data.draw(FIELDS.filter(lambda new: new.label not in {field.label for field in fields}))
    assert told_of(session, record, version, [*fields, more]) != told


@given(IDS, RECORDS, VERSIONS, FIELD_LISTS, st.randoms(use_true_random=False))
def test_the_order_of_the_fields_is_part_of_it(
    session: str, record: str, version: int, fields, random
) -> None:
    turned = random.sample(fields, len(fields))
    assume(turned != fields)
    assert told_of(session, record, version, turned) != told_of(session, record, version, fields)


@given(IDS, RECORDS, VERSIONS, FIELD_LISTS, st.data())
def test_a_record_with_one_label_twice_has_no_commitment(
    session: str, record: str, version: int, fields: list[Field], data: st.DataObject
) -> None:
    """It could be opened in two ways."""
    again = replace(data.draw(st.sampled_from(fields)), salt=bytes(16))
    with pytest.raises(ValueError, match="labels"):
        told_of(session, record, version, [*fields, again])


def test_what_stands_in_label_and_value_cannot_be_shifted() -> None:
    salt = bytes(16)
    hashes = {
        field_hash(Field(label=label, value=value, salt=salt))
        for label, value in (("ab", "c"), ("a", "bc"), ("", "abc"))
    }
    assert len(hashes) == 3


@given(IDS, VERSIONS, SEEDS, st.dictionaries(RECORDS, VALUES, min_size=1, max_size=4), st.data())
def test_every_opening_is_of_the_record_that_was_committed_to(
    session: str, version: int, seed: bytes, records: dict[str, Values], data: st.DataObject
) -> None:
    told = commit(session, version, seed, records)
    assert told.keys() == records.keys()
    shown = {
        name: frozenset(data.draw(st.sets(st.sampled_from(list(values)))))
        for name, values in records.items()
    }
    for name, opening in openings(seed, records, shown).items():
        assert commitment(session, name, version, opening) == told[name]
        assert opened(opening) == {
            label: records[name][label] for label in records[name] if label in shown[name]
        }


@given(SEEDS, SEEDS, st.dictionaries(RECORDS, VALUES, min_size=1, max_size=4))
def test_no_two_values_have_one_salt(seed: bytes, other: bytes, records: dict[str, Values]) -> None:
    assume(seed != other)
    everything = {name: frozenset(values) for name, values in records.items()}
    salts = [
        field.salt
        for each in (seed, other)
        for opening in openings(each, records, everything).values()
        for field in opening.fields
        if isinstance(field, Field)
    ]
    assert len(set(salts)) == len(salts) == 2 * sum(map(len, records.values()))


# -- what a session tells --------------------------------------------------------------------------


def file_of(rehearsal: Rehearsal, visit: Visit) -> File:
    with rehearsal.city.engine.begin() as connection:
        found = files.file_of(connection, sha256(visit.card.der))
    assert found is not None
    return found


def entered(rehearsal: Rehearsal, resident: str, card: Card | None = None) -> Visit:
    visit = Visit(Direct(rehearsal.city), card or rehearsal.card(resident))
    asyncio.run(visit.enter())
    return visit


def records_of(rehearsal: Rehearsal, visit: Visit) -> Mapping[str, Values]:
    return session_records(
        rehearsal.city.data, rehearsal.clock.now.date(), file_of(rehearsal, visit)
    )


@pytest.mark.parametrize("resident", HOLDERS)
def test_a_session_tells_no_value_but_what_the_screen_shows(
    rehearsal: Rehearsal, resident: str
) -> None:
    visit = entered(rehearsal, resident)
    answer, records = visit.session, records_of(rehearsal, visit)
    assert answer.records.keys() == records.keys()
    assert answer.record_version == file_of(rehearsal, visit).version
    holder = records[answer.holder]
    assert (answer.holder_birth, answer.holder_address) == (holder["生年月日"], holder["住所"])
    assert answer.members == {
        name: record[NAME] for name, record in records.items() if name in answer.members
    }
    assert answer.readings == {name: records[name]["フリガナ"] for name in answer.members}
    names = set(answer.members.values())
    asked = [
        replace(
            o,
            options=tuple(
                replace(q, choices=tuple(c for c in q.choices if c.name not in names))
                for q in o.options
            ),
        )
        for o in answer.offers
    ]
    rest = msgspec.json.encode(
        replace(
            answer, members={}, readings={}, holder_birth="", holder_address="", offers=tuple(asked)
        )
    )
    values = {value for record in records.values() for value in record.values() if value}
    assert len(values) > 8
    assert not [value for value in values if value.encode() in rest]


@pytest.mark.parametrize("city", CITY_FILES)
@pytest.mark.parametrize("resident", sorted(set(HOLDERS) - UNPRINTABLE))
def test_what_is_not_printed_is_not_told(rehearsal: Rehearsal, city: str, resident: str) -> None:
    """Search the manifest, and what was typeset, for every value of the whole household that was
    not asked for.
    """
    rehearsal.govern(municipality.load(CITY_FILES[city]))
    visit = entered(rehearsal, resident)
    records = records_of(rehearsal, visit)
    for offer in visit.session.offers:
        for choices in some_choices(offer) if offer.refusal is None else ():
            manifest, pdf = asyncio.run(visit.orders(offer.kind, 1, **choices))
            told = {name: opened(opening) for name, opening in manifest.openings.items()}
            labels = {label for opening in manifest.openings.values() for label in opening.labels}
            shown_values = (value for record in told.values() for value in record.values())
            legitimate = [*strings(manifest.content), *shown_values, *labels]
            closed = set(hidden(records, told))
            searched = {value for value in closed if not any(value in text for text in legitimate)}
            for value in searched:
                assert value.encode() not in visit.answer.manifest
                assert value.encode() not in pdf
            chosen = choices.get("fields", ())
            if "mynumber" not in chosen:
                assert {
                    record["個人番号"] for name, record in records.items() if name[0] == "m"
                } <= searched
            shown = set(visit.session.members) if choices.get("scope") == ("household",) else set()
            family = visit.session.family if offer.family else None
            relatives = family.members if family and "members" not in choices else ()
            assert told.keys() <= {
                visit.session.holder,
                *choices.get("members", ()),
                *shown,
                *(("family", family.holder) if family else ()),
                *relatives,
                "seal",
                *(key for option in ONE_RECORD for key in choices.get(option, ())),
            }


ONE_RECORD = ("year", "payment", "vehicle", "removed")  # questions that each pick a record


def hidden(records: Mapping[str, Values], told: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, record in records.items():
        yield from (
            value for label, value in record.items() if value and label not in told.get(name, {})
        )


@pytest.mark.parametrize(
    ("kind", "choices", "labels"),
    [
        (
            "juminhyo",
            {},
            {"m2": {"氏名", "フリガナ", "旧氏", "通称", "生年月日", "住所", "性別", "前住所"}},
        ),
        ("juminhyo", {"fields": ("mynumber",)}, {"m2": {"個人番号"}}),
        ("juminhyo", {"fields": ("relationship",)}, {"m2": {"続柄", "世帯主"}}),
        (
            "juminhyo",
            {"scope": ("some",), "members": ("m1",)},
            {"m2": {"氏名", "生年月日", "住所"}, "m1": {"氏名", "性別"}},
        ),
        (
            "inkan",
            {},
            {"m2": {"氏名", "フリガナ", "旧氏", "通称", "生年月日", "住所"}, "seal": {IMPRINT}},
        ),
        (
            "kazei",
            {"year": ("y2025",)},
            {"m2": {"現住所"}, "y2025": {"給与収入金額", "年税額", "令和7年1月1日の住所"}},
        ),
    ],
)
def test_these_labels_are_opened(
    rehearsal: Rehearsal, kind: str, choices, labels: dict[str, set[str]]
) -> None:
    """`labels`: some of those that must be; others of the same person stay closed unless they were
    asked for.
    """
    visit = entered(rehearsal, "hanako")
    manifest, _ = asyncio.run(visit.orders(kind, 1, **choices))
    told = {name: set(opened(opening)) for name, opening in manifest.openings.items()}
    assert told.keys() == labels.keys()
    assert all(labels[name] <= told[name] for name in labels)
    asked = set(choices.get("fields", ()))
    for field, label in (("mynumber", "個人番号"), ("domicile", "本籍"), ("relationship", "続柄")):
        assert any(label in found for found in told.values()) is (field in asked)


def test_nothing_of_one_session_recurs_in_another(rehearsal: Rehearsal) -> None:
    """The same person, the same order, the same records: no hash and no salt is the same."""
    found: list[tuple[messages.SessionAnswer, messages.Manifest]] = []
    card = rehearsal.card("taro")
    for _ in range(3):
        visit = entered(rehearsal, "taro", card)
        choices = {"scope": ("household",), "fields": ("relationship", "domicile", "mynumber")}
        found.append((visit.session, asyncio.run(visit.orders("juminhyo", 1, **choices))[0]))
    for (one, first), (other, second) in combinations(found, 2):
        assert one.record_version == other.record_version
        assert not set(one.records.values()) & set(other.records.values())
        assert not set(_secrets(first)) & set(_secrets(second))
    for _, manifest in found:
        all_of_it = list(_secrets(manifest))
        assert len(set(all_of_it)) == len(all_of_it) > 60


def _secrets(manifest: messages.Manifest) -> Iterator[bytes]:
    """Salts, and hashes of what stayed closed."""
    yield manifest.salt
    for opening in manifest.openings.values():
        yield from (f.salt if isinstance(f, Field) else bytes.fromhex(f) for f in opening.fields)


@pytest.mark.parametrize("city", CITY_FILES)
def test_no_record_has_more_fields_than_the_line_takes(rehearsal: Rehearsal, city: str) -> None:
    rehearsal.govern(municipality.load(CITY_FILES[city]))
    for resident in HOLDERS:
        visit = entered(rehearsal, resident)
        for name, record in records_of(rehearsal, visit).items():
            assert len(record) <= MAX_FIELDS, name
            opening = next(
                iter(openings(bytes(32), {name: record}, {name: frozenset(record)}).values())
            )
            assert msgspec.json.decode(msgspec.json.encode(opening), type=Opening) == opening
