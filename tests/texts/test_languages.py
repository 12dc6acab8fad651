"""Every language is whole, alike, clean in its letters, and fits where it stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import pytest
from languages_bench import ALL, CHINESE, JAPANESE, LANGUAGES, common, plain, shape

from firmware.texts.texts import Texts
from firmware.texts.voice_parts import NUMBERS

JA = ALL["ja"]
each_language = pytest.mark.parametrize("language", LANGUAGES)

# Latin words that stand in texts of other letters: names of things that bear them.
LATIN = {"iPhone", "PIN", "Mynaportal"}
# What a clerk's list in brackets may hold beside the language's own letters.
SCRIPTS = {
    "ja": "CJK|HIRAGANA|KATAKANA|KATAKANA-HIRAGANA",
    "zh-Hans": "CJK",
    "zh-Hant": "CJK",
    "ko": "HANGUL",
    "ne": "DEVANAGARI",
}
FULL_WIDTH = dict.fromkeys((*JAPANESE, *CHINESE))
# Columns of a text at most, by what it is; a wide letter is two.
LIMITS = (
    (r"action\.(back|next|clear|enter|ok|cancel)", 14),
    (r"action\.(confirm|start|taken|try|stop|cash|cashless|more-time)", 28),
    (r"action\.", 26),
    (r"step\.", 20),
    (r"(spoken|key)\.", 1000),  # never shown
    (r"label\.", 48),
    (r"kind\.", 52),
    (r"choose\.(less|more)", 16),
    (r"screen\.\w+\.title", 64),
    (r"(phone|either)\.screen\.\w+\.title", 72),
    (r"screen\.receipt\.(with-change|only-change|nothing)", 60),
    (r"option\.\w+\.question", 66),
    (r"option\.", 84),
    (r"(phone\.|either\.)?refusal\.[\w-]+\.cause", 150),
    (r"(phone\.|either\.)?problem\.[\w-]+\.cause", 100),
    (r"notice\.title", 60),
    (r"", 270),
)


def columns(text: str) -> int:
    """How wide it is, in halves of a wide letter. Marks above and below a letter take no room."""
    widths = (
        0
        if unicodedata.category(c) == "Mn"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )
    return sum(widths)


def letters(text: str) -> Iterator[tuple[str, str]]:
    """Each letter with its script, as Unicode names it."""
    for c in text:
        if c.isalpha():
            yield c, unicodedata.name(c).split()[0].split("-")[0]


def test_japanese_and_english_come_first() -> None:
    assert LANGUAGES[:3] == ("ja", "ja-easy", "en")


@each_language
def test_every_language_has_the_same_texts(language: str) -> None:
    theirs, ours = shape(ALL[language]), shape(JA)
    assert theirs.keys() == ours.keys()
    different = {key for key in ours if theirs[key] != ours[key] and not key.startswith("format.")}
    assert not different  # how a date is put together is the language's own affair


@each_language
def test_one_is_said_otherwise_only_where_many_is_said_too(language: str) -> None:
    known = ALL[language].known
    for key in known:
        if key != common(key) and key.endswith(".one"):
            assert f"{common(key)}.other" in known
            assert known[key] != known[f"{common(key)}.other"]


@each_language
def test_no_text_is_empty_or_has_a_stray_mark(language: str) -> None:
    for key in ALL[language].known:
        text = plain(ALL[language], key)
        assert text.strip() == text != "", key
        assert not set("｜《》{}<>$|@") & set(text), key
        assert "  " not in text and unicodedata.is_normalized("NFC", text), key


@each_language
def test_the_language_says_what_it_is(language: str) -> None:
    texts = ALL[language]
    assert texts.tag == {"ja-easy": "ja", "pt": "pt-BR"}.get(language, language)
    assert texts.known["name.furigana"] == ("yes" if language == "ja-easy" else "no")
    assert len({ALL[each].get("name.language") for each in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize("language", sorted(SCRIPTS.keys() & {*LANGUAGES} | {*JAPANESE}))
def test_no_letters_of_another_script_stand_in_a_text(language: str) -> None:
    """What a reader of the language cannot read is a leftover; names of things stay as they are."""
    wanted = SCRIPTS[ALL[language].tag]
    for key in ALL[language].known:
        if key.startswith(("name.", "format.", "spoken.letter.")):
            continue
        text = re.sub(
            r"[A-Za-z]+", lambda m: "" if m[0] in LATIN else m[0], plain(ALL[language], key)
        )
        text = re.sub(r"（[^（）]*）|\([^()]*\)", "", text) if language in ("ko", "ne") else text
        strange = [c for c, script in letters(text) if not re.fullmatch(wanted, script)]
        assert not strange, (key, strange)


@pytest.mark.parametrize("language", sorted(FULL_WIDTH))
def test_japanese_and_chinese_have_their_own_marks(language: str) -> None:
    for key in ALL[language].known:
        text = plain(ALL[language], key)
        if not key.startswith(("name.", "format.")):
            assert not set(",.!?;:()[]\"'") & set(text), key
            assert "  " not in text, key


@pytest.mark.parametrize("language", sorted({*LANGUAGES} - {*FULL_WIDTH}))
def test_other_languages_have_no_wide_marks(language: str) -> None:
    for key in ALL[language].known:
        wide = [c for c in plain(ALL[language], key) if c in "、。「」，．：；！？"]
        assert not wide, key


@each_language
def test_a_sentence_ends_like_one(language: str) -> None:
    """Leads, causes and next steps are sentences; titles, labels and buttons are not."""
    for key in ALL[language].known:
        text = plain(ALL[language], key)
        if re.search(r"(screen|refusal|problem)\..*\.(lead|cause|next|advice|check|refund)$", key):
            assert text.endswith(("。", ".", "।", "?", "？", "か")), key
        if re.match(r"(action|label|step|kind)\.", key) or key.endswith(".title"):
            assert not text.endswith(("。", ".", "।")), key


@each_language
def test_a_text_fits_where_it_stands(language: str) -> None:
    for key in ALL[language].known:
        limit = next(limit for pattern, limit in LIMITS if re.match(pattern, key))
        text = plain(ALL[language], key)
        assert columns(text) <= limit, (key, columns(text), text)


@each_language
def test_two_questions_have_two_headings(language: str) -> None:
    texts = ALL[language]
    asked = [text for key, text in texts.known.items() if key.endswith(".question")]
    assert len(set(asked)) == len(asked)
    ways = {texts.get(f"choose.{way}") for way in ("one", "many", "some", "count")}
    assert texts.get("notice.choose-at-least-one") not in ways  # both stand on one screen


@each_language
def test_the_neutral_refusal_gives_no_reason(language: str) -> None:
    """Not even by what it does not say of others: it fits with and without a certificate chosen."""
    texts = ALL[language]
    words = " ".join(texts.get(f"refusal.not-available.{part}") for part in ("cause", "next"))
    assert not [word for word in TELLING if word in words.lower()]


@each_language
def test_no_words_promise_a_time_that_the_machine_does_not_know(language: str) -> None:
    """When something is over comes from the city (`opens_at`); a notice of a household has none."""
    for code in ("notice-in-process", "year-not-yet", "card-too-new"):
        for part in ("cause", "next"):
            text = ALL[language].get(f"refusal.{code}.{part}")
            assert not re.search(r"\d", text), (code, text)


@each_language
def test_no_words_name_a_kind_of_municipality(language: str) -> None:
    """A kiosk may stand in a city, a ward, a town or a village; its name comes from its data."""
    for key, text in ALL[language].known.items():
        assert "市役所" not in text and "この市" not in text, key
        assert not re.search(r"\b(this city|city (office|hall))\b", text, re.IGNORECASE), key


@each_language
def test_dates_sums_and_counts(language: str) -> None:
    texts = ALL[language]
    assert texts.moment("2026-11-24T06:05:00+09:00") == MOMENTS[language]
    assert texts.moment("2027-01-03T18:30:00+09:00") == EVENINGS[language]
    assert texts.get("format.yen", n=1234) == YEN[language]
    assert texts.get("format.yen", n=100) == YEN[language].replace("1.234", "100").replace(
        "1,234", "100"
    )
    for n in (1, 2, 5, 21):
        assert str(n) in texts.get("count.sheets", n=n)
        assert str(n) in texts.get("count.copies", n=n)


@each_language
def test_weekdays_and_months_differ(language: str) -> None:
    texts = ALL[language]
    for path, numbers in (("format.weekday", range(7)), ("spoken.weekday", range(7)),
                          ("format.month", range(1, 13))):  # fmt: skip
        names = {texts.get(f"{path}.{n}") for n in numbers}
        assert len(names) == len(numbers)
    assert {*texts.get("format.spoken_moment").split()} == {
        "month", "day", "weekday", "hour", "minute",
    }  # fmt: skip


@each_language
def test_every_number_that_is_spoken_is_spoken_as_itself(language: str) -> None:
    texts = ALL[language]
    for key, numbers in NUMBERS.items():
        said = {texts.get(key, n=n, reiwa=n - 2018) for n in numbers}
        assert len(said) == len(set(numbers)), key


def test_easy_japanese_has_furigana_over_its_kanji() -> None:
    """All but its own name, which is a button among other languages."""
    for key, text in ALL["ja-easy"].known.items():
        rest = re.sub(r"(?:｜[^｜《》]+|[\u3400-\u9fff々]+)《[^《》]+》", "", text)
        assert not re.findall(r"[\u3400-\u9fff]", rest) or key == "name.language", (key, rest)


def test_easy_japanese_has_short_sentences() -> None:
    for key in ALL["ja-easy"].known:
        for sentence in plain(ALL["ja-easy"], key).split("。"):
            assert len(sentence) <= 62, (key, sentence)


def test_ordinary_japanese_has_no_furigana_marks() -> None:
    assert not [key for key, text in JA.known.items() if set(text) & set("｜《》")]


def test_thousands_are_written_as_the_language_writes_them() -> None:
    words = {"a": "{n:,}", "b": "{n:02}"}
    assert Texts("pt", words).get("a", n=12345) == "12.345"
    assert Texts("en", words).get("a", n=12345) == "12,345"
    assert Texts("vi", words).html("a", n=12345) == "12.345"
    assert Texts("vi", words).get("b", n=5) == "05"


TELLING = (
    *(
        "支援",
        "保護",
        "措置",
        "制限",
        "理由",
        "あなた",
        "この証明書",
        "保护",
        "限制",
        "證明書",
        "证明书",
    ),
    *("protect", "restrict", "measure", "suppress", "support", "because", "this certificate"),
    *("보호", "제한", "증명서", "bảo vệ", "hạn chế", "giấy chứng nhận này", "proteg", "restri"),
    *("संरक्षण", "प्रमाणपत्र", "perlindungan", "pembatasan", "proteksyon", "esta certidão"),
)
MOMENTS = {
    "ja": "2026年11月24日（火）6時05分",
    "ja-easy": "2026年11月24日（火）6時05分",
    "en": "Tuesday, 24 November 2026, 6:05",
    "zh-Hans": "2026年11月24日（星期二）6:05",
    "zh-Hant": "2026年11月24日（星期二）6:05",
    "ko": "2026년 11월 24일(화) 6시 05분",
    "vi": "6:05, Thứ Ba, ngày 24/11/2026",
    "pt": "terça-feira, 24 de novembro de 2026, 6h05",
    "ne": "2026 नोभेम्बर 24 (मंगलबार) 6:05 बजे",
    "id": "Selasa, 24 November 2026, pukul 6.05",
    "tl": "Martes, Nobyembre 24, 2026, 6:05",
}
EVENINGS = {
    "ja": "2027年1月3日（日）18時30分",
    "ja-easy": "2027年1月3日（日）18時30分",
    "en": "Sunday, 3 January 2027, 18:30",
    "zh-Hans": "2027年1月3日（星期日）18:30",
    "zh-Hant": "2027年1月3日（星期日）18:30",
    "ko": "2027년 1월 3일(일) 18시 30분",
    "vi": "18:30, Chủ nhật, ngày 3/1/2027",
    "pt": "domingo, 3 de janeiro de 2027, 18h30",
    "ne": "2027 जनवरी 3 (आइतबार) 18:30 बजे",
    "id": "Minggu, 3 Januari 2027, pukul 18.30",
    "tl": "Linggo, Enero 3, 2027, 18:30",
}
YEN = {
    "ja": "1,234円",
    "ja-easy": "1,234円",
    "en": "1,234 yen",
    "zh-Hans": "1,234日元",
    "zh-Hant": "1,234日圓",
    "ko": "1,234엔",
    "vi": "1.234 yên",
    "pt": "1.234 ienes",
    "ne": "1,234 येन",
    "id": "1.234 yen",
    "tl": "1,234 yen",
}
