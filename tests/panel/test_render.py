"""Every screen can be shown, shows what it must, and lets touch only what it offers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from panel_facts import HOLDER, confirm, every_screen, fields, options, refusals

from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.panel import gallery, samples
from firmware.panel.render import page, render
from firmware.texts.texts import MissingText, Texts, languages

VOID = {"meta", "link", "input", "br"}
ASIDE = {"repeat", "volume"}


class Fragment(HTMLParser):
    """What a fragment holds; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.buttons: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        assert not [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag == "button" and "data-page" not in dict(attrs):  # those stay on the page
            self.buttons.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["rt"]:
            self.words += data

    @property
    def actions(self) -> set[str | None]:
        return {button["data-action"] for button in self.buttons}


def drawn(words: str) -> str:
    """As the page has it: furigana for the eyes alone, and kana joined to their kanji."""
    html = str(words).replace("<rt>", '<rt aria-hidden="true">')
    return re.sub(r"</ruby>(?=[\u3041-\u3096])", "</ruby>\u2060", html)


def show(name: str, facts: dict[str, Any], language: str = "ja", **more: Any) -> Fragment:
    spec = next(SPECS[state] for state in State if state.screen == name)
    screen = Screen(name, 1, language, more.pop("actions", spec.actions), facts=facts, **more)
    return Fragment(render(screen, Texts.load(language)))


@pytest.mark.parametrize("language", languages())
def test_every_screen_renders(language: str) -> None:
    """All of the journeys; of the others each in one of the languages."""
    journeys = len(list(samples.screens(language)))
    screens = list(every_screen(language))
    number, every = languages().index(language), len(languages())
    shown = {
        screen.name
        for screen in (*screens[:journeys], *screens[journeys + number :: every])
        if Fragment(render(screen, Texts.load(language))).words
    }
    assert shown == {state.screen for state in State}


@pytest.mark.parametrize("language", languages())
def test_the_journeys_reach_every_state(language: str) -> None:
    assert {screen.name for screen in samples.screens(language)} == {
        state.screen for state in State
    }


def offers() -> Iterator[tuple[Screen, Fragment]]:
    for screen in samples.screens():
        yield screen, Fragment(render(screen, Texts.load("ja")))


def test_a_screen_offers_its_actions_and_no_other() -> None:
    for screen, fragment in offers():
        drawn = {"digit"} if screen.name == "pin" else set()
        silent = {"taken"} if screen.facts.get("sensor") else set()  # the outlet tells by itself
        assert fragment.actions == {*screen.actions, *drawn, *ASIDE} - silent, screen.name


def test_time_and_more_of_it_go_together() -> None:
    for screen, fragment in offers():
        assert ("more-time" in fragment.actions) == (screen.limit_s is not None)


def test_no_screen_shows_a_digit_of_the_pin() -> None:
    facts = {"notice": "", "tries": 3, "digits": 2}
    fragment = show("pin", facts)
    assert fragment.words.count("●") == 2
    keys = [button["data-value"] for button in fragment.buttons if button["data-action"] == "digit"]
    assert keys == list("1234567890")  # 1-2-3 on top, always


def test_names_are_escaped_and_keep_their_variants() -> None:
    name = "<b onclick=x>葛\U000e0102\U00020bb7"
    fragment = show("options", options("members", "many", ("m1",), (name,)))
    assert name in fragment.words
    assert "明石<script>" in show("confirm", confirm()).words


@pytest.mark.parametrize("language", languages())
def test_the_confirmation_says_what_is_printed_and_what_is_not(language: str) -> None:
    texts = Texts.load(language)
    html = render(Screen("confirm", 1, language, ("confirm",), facts=confirm(3, 100)), texts)
    assert re.search(
        r'class="printed".*明石&lt;script&gt;.*class="left-out".*明石 花子', html, re.S
    )
    for key in ("option.fields.mynumber", "screen.confirm.refund", "screen.confirm.exemption"):
        assert drawn(texts.html(key)) in html
    assert drawn(texts.html("format.yen", n=300)) in html
    assert drawn(texts.html("count.copies", n=3)) in html


@pytest.mark.parametrize("language", languages())
def test_the_confirmation_shows_whose_card_it_is_and_asks(language: str) -> None:
    texts = Texts.load(language)
    hostile = {
        "name": "<b>葛\U000e0102\U00020bb7",
        "birth": "<i>昭和33年4月1日",
        "address": "市内&amp;<u>\n二階",
    }
    html = render(
        Screen("confirm", 1, language, ("confirm", "cancel"), facts=confirm(holder=hostile)), texts
    )
    assert drawn(texts.html("screen.confirm.check")) in html
    assert not re.search("<[biu]>[葛昭\n]", html)
    for key, value in hostile.items():
        label = drawn(texts.html("label." + key))
        row = next(row for row in html.split("<tr ") if f'<th scope="row">{label}</th>' in row)
        assert value in Fragment("<table><tr " + row.split("</tr>")[0] + "</tr></table>").words


def test_nothing_of_the_holder_is_among_the_public_facts() -> None:
    html = render(Screen("confirm", 1, "ja", ("confirm",), facts=confirm()), Texts.load("ja"))
    public = re.search(r'data-facts="([^"]*)"', html)
    assert public and not any(value in unescape(public[1]) for value in HOLDER.values())


def test_a_screen_in_another_language_tells_the_words_on_the_paper_too() -> None:
    facts = confirm(
        title="Certificate of residence", printed_title="住民票の写し", summary=[fields("mynumber")]
    )
    words = show("confirm", facts, "en").words
    for said in ("Certificate of residence", "住民票の写し", "My Number", "個人番号"):
        assert said in words


def test_in_another_language_no_title_of_the_city_is_believed() -> None:
    """The title on the paper is compared with the signed terms; what the city calls it in English
    is not.
    """
    facts = confirm(title="Seal registration certificate", printed_title="住民票の写し")
    words = show("confirm", facts, "en").words
    assert "Certificate of residence" in words and "Seal" not in words
    assert (
        "Residence map"
        in show("confirm", facts | {"kind": "map", "title": "Residence map"}, "en").words
    )


@pytest.mark.parametrize("code", refusals())
def test_a_refusal_says_cause_next_step_and_place(code: str) -> None:
    facts = {
        "code": code,
        "opens_at": samples.OPENS,
        "office": "市民課",
        "phone": "078",
        "hours": "平日",
        "returned": 100,
    }
    words = show("refused", facts).words
    texts = Texts.load("ja")
    for said in (texts.get(f"refusal.{code}.cause"), texts.get(f"refusal.{code}.next")):
        assert said in words
    for said in ("市民課", "078", "平日", "2026年11月24日（火）6時30分", "100円"):
        assert said in words


def test_a_reader_that_is_not_sure_is_shown_to_be_checked() -> None:
    checking = Texts.load("ja").get("notice.reader.title")
    assert checking in show("hold", {"notice": "", "unknown": True}).words
    assert checking not in show("hold", {"notice": "", "unknown": False}).words


def test_taking_is_asked_for_only_where_nothing_tells_it() -> None:
    assert "taken" in show("sheets", {"sheets": 3, "sensor": False}).actions
    assert "taken" not in show("sheets", {"sheets": 3, "sensor": True}).actions


def test_money_is_shown_as_it_stands() -> None:
    words = show("paying", {"due": 300, "inserted": 100, "missing": 200, "notice": ""}).words
    assert [words.index(amount) for amount in ("300円", "100円", "200円")] == sorted(
        words.index(amount) for amount in ("300円", "100円", "200円")
    )


def test_missing_facts_and_texts_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError):
        show("paying", {"due": 300})
    with pytest.raises(MissingText):
        show("refused", {"code": "because", "opens_at": "", "returned": 0})
    with pytest.raises(jinja2.TemplateNotFound):
        render(Screen("nowhere", 1, "ja"), Texts.load("ja"))


def test_the_page_loads_only_what_comes_with_it() -> None:
    html, files = page()
    wanted = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sorted(wanted) == sorted(files)
    assert not re.search(r"https?:|<script>|style=", html)
    for content, _ in files.values():
        assert not re.search(rb"https?://|@import|url\(", content)


def test_the_gallery_writes_every_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "languages", lambda: ("ja", "vi"))
    count = gallery.write(tmp_path)
    names = {file.stem for file in tmp_path.glob("*.html")}
    assert len(names) == count
    for language in ("ja", "vi"):
        assert {f"{state.screen}-1-{language}" for state in State} <= names


@pytest.mark.parametrize(
    ("language", "words"), [("ja", "2025年中の所得"), ("en", "Income of the year 2025")]
)
def test_a_fiscal_year_says_whose_income_it_shows(language: str, words: str) -> None:
    year = options("year", "one", ("y2026",), ("令和8年度",))
    said = show("options", year, language).words
    assert "令和8年度" in said
    assert words in said
    assert words not in show("options", options("scope", "one", ("self",)), language).words


def test_the_menu_says_when_a_shut_certificate_is_to_be_had() -> None:
    menu = next(screen for screen in samples.screens("ja") if screen.name == "menu")
    assert "次に利用できる日時 2026年11月24日（火）6時30分" in show("menu", dict(menu.facts)).words
    certificates = [{**each, "opens_at": ""} for each in menu.facts["certificates"]]
    unknown = show("menu", {**menu.facts, "certificates": certificates}).words
    assert "ただいま時間外です" in unknown
    assert "次に利用できる日時" not in unknown
