"""Every word that a resident sees or hears of a city is that city's own and fits it.

Fifteen municipalities, their screens as they are drawn, and what is said with them. The judge reads
the drawn page and the spoken phrases; it knows what each kind of municipality calls its hall.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace as changed
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from city import municipality, rules
from city.cli import main
from city.clock import JST
from city.contradictions import contradictions
from city.entries import Certificate, Fee
from city.municipality import Municipality
from city.terms import form_terms
from city.words_command import words
from firmware.flow import screens
from firmware.flow.offers import Answers, Choice, Holder
from firmware.flow.screens import Screen
from firmware.flow.session import Session
from firmware.link import messages
from firmware.link.form_terms import current
from firmware.link.messages import RefusalCode
from firmware.panel.render import render
from firmware.service import terms as kiosk_terms
from firmware.texts import city_words, voice
from firmware.texts.phrase import Phrase
from firmware.texts.recordings import VOICES
from firmware.texts.texts import Texts, languages
from firmware.tools.voice import read_words, record

FOLDER: Final = Path(__file__).parent / "cities"
CITIES: Final = {
    path.stem: municipality.load(path)
    for path in sorted(FOLDER.glob("*.toml"))
    if path.stem != "moments"
}
NOON: Final = datetime(2026, 11, 24, 12, tzinfo=JST)
# What a municipality of another kind calls its hall and its people, in the languages that say it.
HALLS: Final = {
    "市": r"市役所|市民(?!税)|市庁舎|City Hall|市政府|시청|시민",
    "区": r"区役所|区民(?!税)|區公所|Ward Office|구청|구민",
    "町": r"町役場|町民(?!税)|Town Hall|읍사무소",
    "村": r"村役場|村民(?!税)|Village Hall|촌사무소",
}
WITH_WARDS: Final = ("札幌市", "堺市", "北九州市")  # cities with ward offices of their own
OF_ANY: Final = "市区町村|市區町村|시구정촌"
CODES: Final = [
    code for code in RefusalCode if kiosk_terms.refusal(code) == code.value
]  # those that a resident is told


def screens_of(city: Municipality, language: str, turn: int) -> Iterator[Screen]:
    """As the kiosk shows them when this city has told it its terms. `turn`: which refusals."""
    told = messages.Terms(
        protocol=messages.PROTOCOL,
        city=city.code,
        city_name=city.name,
        now=NOON.isoformat(),
        open=True,
        refusal=None,
        closes_in_s=None,
        certificates=rules.notices(city, NOON),
        contacts=city.contacts_on(NOON.date()),
        refusal_contacts=city.places,
        form_terms=b"",
        form_terms_signature=bytes(64),
        challenge=bytes(32),
        challenge_expires_s=900,
    )
    holder = Holder("m1", "昭和33年4月1日", "一丁目1番1号", (Choice("m1", "架空　太郎"),))
    offers = tuple(
        kiosk_terms.session_opened(
            1,
            messages.SessionAnswer(
                session="0" * 32,
                holder="m1",
                holder_birth="昭和33年4月1日",
                holder_address="一丁目1番1号",
                members={"m1": "架空　太郎"},
                records={},
                record_version=1,
                offers=tuple(
                    messages.Offer(
                        kind=each.kind,
                        title=each.title,
                        fee=each.fee,
                        refusal=None,
                        options=(),
                        discount=each.discount,
                        not_for=each.not_for,
                    )
                    for each in told.certificates
                ),
                card_expires_in_days=900,
                ends_in_s=900,
            ),
        ).offers
    )
    session = Session(
        terms=kiosk_terms.terms(told, phones=False), language=language, offers=offers, holder=holder
    )
    yield Screen("menu", 1, language, ("start",), facts=screens.menu(session))
    yield Screen("certificates", 2, language, ("choose",), facts=screens.certificates(session))
    for offer in offers:
        answers: Answers = (("copies", ("1",)),)
        chosen = changed(session, kind=offer.kind, answers=answers)
        yield Screen("confirm", 3, language, ("confirm",), facts=screens.confirm(chosen))
    for code in CODES[turn % 8 :: 8]:
        refused = changed(session, kind=offers[0].kind, refusal=code.value)
        yield Screen("refused", 4, language, ("ok",), facts=screens.refused(refused))
        yield Screen("notoffered", 5, language, ("back",), facts=screens.not_offered(refused))


def drawn(screen: Screen, texts: Texts) -> str:
    """The words of the page, as a person reads them."""
    page = re.sub(r"<rt.*?</rt>|data-facts=\"[^\"]*\"", "", render(screen, texts))
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def cases() -> Iterator[object]:
    """Each city in Japanese and English, and in three others by turns."""
    others = [each for each in languages() if each not in ("ja", "en")]
    for n, name in enumerate(CITIES):
        turned = (others * 4)[3 * n : 3 * n + 3]
        for language in ("ja", "en", *turned):
            yield pytest.param(name, language, n, id=f"{name} {language}")


@pytest.mark.parametrize(("name", "language", "turn"), list(cases()))
def test_what_is_shown_and_said_fits_the_city(name: str, language: str, turn: int) -> None:
    city, texts = CITIES[name], Texts.load(language)
    own = {city.name["ja"][-1], *("区" if city.name["ja"] in WITH_WARDS else "")}
    strange = "|".join(words for kind, words in HALLS.items() if kind not in own)
    others = {each.name["ja"] for each in CITIES.values()} - {city.name["ja"]}
    others |= {each.name["en"] for each in CITIES.values()} - {city.name["en"]}
    others |= {"明石", "Akashi"}
    for screen in screens_of(city, language, turn):
        said = voice.words(screen, texts)
        for told in (drawn(screen, texts), " ".join(said)):
            found = re.search(strange, re.sub(OF_ANY, "", told))
            assert not found, (screen.name, found)
            assert not [each for each in others if each in told], screen.name


@pytest.mark.parametrize("name", CITIES)
def test_a_certificate_is_said_as_it_is_called_on_the_paper(name: str) -> None:
    """No title is told as another, such as 所得・課税証明書 for every certificate of taxes."""
    city, texts = CITIES[name], Texts.load("ja")
    menu, chosen, *_ = screens_of(city, "ja", 0)
    for screen in (menu, chosen):
        said = [word for word in voice.words(screen, texts) if word in TITLES]
        assert said == [each.printed for each in city.offered(NOON.date())], screen.name
    shown = drawn(menu, texts)
    assert all(each.printed in shown for each in city.offered(NOON.date()))
    english = drawn(next(screens_of(city, "en", 0)), Texts.load("en"))
    for each in city.offered(NOON.date()):
        usual = city_words.is_usual(each.kind, tuple(each.title.items()))
        assert usual or each.title["en"] in english


TITLES: Final = {
    *(each.printed for city in CITIES.values() for each in city.certificates),
    *(text for key, text in Texts.load("ja").known.items() if key.startswith("kind.")),
}


@pytest.mark.parametrize("name", CITIES)
def test_what_is_said_of_a_city_is_all_in_its_file_of_words(name: str) -> None:
    """What `kiosk voice --words` records, and the kiosk's own phrases, are all that is said."""
    city = CITIES[name]
    own = [tuple(text.items()) for text in words(city).texts]
    for language in ("ja", "en", "vi"):
        texts = Texts.load(language)
        recorded = {*voice.phrases(texts), *city_words.phrases(own, (language,))}
        for screen in screens_of(city, language, 1):
            unknown = [word for word in voice.words(screen, texts) if word not in recorded]
            assert not unknown, screen.name


def test_the_command_writes_what_the_kiosk_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["words", str(FOLDER / "nara.toml")]) == 0
    path = tmp_path / "words.json"
    path.write_text(capsys.readouterr().out, "utf-8")
    read = [dict(text) for text in read_words(path)]
    titles = [each.title for each in CITIES["nara"].certificates]
    assert all(title in read for title in titles)
    assert any(text["ja"].startswith("高等学校等就学支援金") for text in read)
    path.write_text("{}", "utf-8")
    with pytest.raises(Exception, match="kiosk city words"):
        read_words(path)


def test_the_words_of_a_city_are_recorded_once_with_the_kiosks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Phrase] = []
    monkeypatch.setattr("firmware.tools.voice._make", lambda wanted, *_: made.extend(wanted))
    (tmp_path / "ja").mkdir()
    (tmp_path / "en").mkdir()
    own = [tuple(text.items()) for text in words(CITIES["nara"]).texts]
    record(tmp_path, ("ja", "en", "tl"), lambda _: None, city=own)
    wanted = set(city_words.phrases(own, ("ja", "en", "tl")))
    assert wanted <= set(made)
    assert {phrase.language for phrase in wanted} == {"ja", "en"}


@pytest.mark.parametrize(
    ("texts", "language", "said"),
    [
        ({"ja": "市", "en": "City"}, "ja", ("市", "ja")),
        ({"ja": "市", "ja-easy": "市《し》"}, "ja", ("市《し》", "ja")),
        ({"ja": "市", "ja-easy": "まち"}, "ja", ("市", "ja")),  # other words: not what is shown
        ({"ja": "市", "en": "City"}, "vi", ("City", "en")),
        ({"ja": "市", "tl": "Lungsod"}, "tl", ("市", "ja")),  # a language without a voice
        ({"ja": "市"}, "en", ("市", "ja")),
    ],
)
def test_a_text_is_said_in_a_language_that_its_reader_sees(
    texts: dict[str, str], language: str, said: tuple[str, str]
) -> None:
    phrase = city_words.spoken(tuple(texts.items()), language)
    assert phrase is not None
    assert (phrase.marked, phrase.language) == said
    assert phrase.language in VOICES


# -- discounts -------------------------------------------------------------------------------------

SEAL: Final = next(each for each in CITIES["nara"].certificates if each.kind == "inkan")


def with_fees(*fees: Fee) -> Municipality:
    return replace(CITIES["nara"], certificates=(replace(SEAL, fees=fees),))


def fee(since: date, yen: int, until: date | None = None) -> Fee:
    return Fee(since=since, until=until, yen=yen)


DAYS: Final = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(DAYS, st.integers(0, 40), st.booleans()), max_size=4))
def test_a_fee_is_the_signed_one_on_every_day_and_told_to_end_when_it_does(
    steps: Sequence[tuple[date, int, bool]],
) -> None:
    """Whatever discounts a city writes: the menu, the signed terms and the days agree."""
    fees = [fee(SEAL.since, 300)]
    for since, days, ends in steps:
        until = since + timedelta(days=days) if ends else None
        fees.append(fee(since, 10 * (1 + len(fees)), until))
    city = with_fees(*fees)
    if any(contradictions(city)):
        return
    signed = form_terms(city)
    edges = {day + timedelta(days=n) for each in fees for day in ends_of(each) for n in (-1, 0, 1)}
    for day in sorted(edge for edge in edges if edge >= SEAL.since):
        shown = rules.fee(city.certificates[0], day)
        assert current(signed, "inkan", day).fee == shown
        told = rules.discount(city.certificates[0], day)
        if told is not None:
            assert day <= told.until
            assert rules.fee(city.certificates[0], told.until) == shown
            after = told.until + timedelta(days=1)
            assert rules.fee(city.certificates[0], after) == told.regular


def ends_of(each: Fee) -> Iterator[date]:
    yield each.since
    if each.until:
        yield each.until


D: Final = date


@pytest.mark.parametrize(
    ("fees", "said"),
    [
        ((fee(SEAL.since, 300, D(2027, 1, 1)),), "none without `until`"),
        (
            (fee(SEAL.since, 300), fee(D(2026, 5, 1), 200, D(2026, 4, 1))),
            "fees[1].until: before its first day",
        ),
        (
            (
                fee(SEAL.since, 300),
                fee(D(2026, 5, 1), 200, D(2027, 3, 31)),
                fee(D(2027, 3, 31), 350),
            ),
            "fees[2]: begins while",
        ),
        (
            (
                fee(SEAL.since, 300),
                fee(D(2026, 5, 1), 200, D(2027, 3, 31)),
                fee(D(2026, 6, 1), 100, D(2026, 6, 30)),
            ),
            "fees[2]: begins while",
        ),
        (
            (fee(SEAL.since, 200, D(2026, 3, 31)), fee(D(2026, 5, 1), 300)),
            "no fee before it that holds again after 2026-03-31",
        ),
    ],
)
def test_a_discount_that_contradicts_itself_is_named(fees: tuple[Fee, ...], said: str) -> None:
    assert any(said in line for line in contradictions(with_fees(*fees)))


def test_what_a_certificate_cannot_be_used_for_is_told_before_payment_and_is_short() -> None:
    screen = next(
        each
        for each in screens_of(CITIES["nara"], "ja", 0)
        if each.name == "confirm" and each.facts["kind"] == "shikenminzei"
    )
    texts = Texts.load("ja")
    sentence = "高等学校等就学支援金の申請には使用できません。"
    assert sentence in drawn(screen, texts)
    assert sentence in voice.words(screen, texts)
    long: Certificate = replace(SEAL, not_for={"ja": "あ" * 121})
    city = replace(CITIES["nara"], certificates=(long,))
    assert any("not_for.ja: 121 characters" in line for line in contradictions(city))
    nothing = replace(city, certificates=(replace(SEAL, not_for={"en": "No."}),))
    assert any("not_for.ja: missing" in line for line in contradictions(nothing))
