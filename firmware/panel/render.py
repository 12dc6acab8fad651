"""From a screen of the journey to the HTML fragment that shows it, and the page that shows
fragments.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from firmware.flow.keys import key_of
from firmware.flow.screens import PRINTED, Screen
from firmware.flow.session import Mode
from firmware.flow.states import Phase, State
from firmware.panel.size import CABINET, PanelSize, places
from firmware.texts import voice_keys, voice_parts, voice_screens
from firmware.texts.city_words import is_usual
from firmware.texts.texts import Texts, languages

FOLDER = Path(__file__).parent
DEFAULT_SIZE = PanelSize()

# Screens that look alike share a template; the others have one of their own name.
ALIKE: Mapping[str, str] = {
    **dict.fromkeys(
        ("starting", "opening", "ordering", "readying", "releasing", "change", "receipting"), "wait"
    ),
    **dict.fromkeys(("reading", "verifying"), "stay"),
    **dict.fromkeys(("remove", "removealarm", "hold", "takecard", "cardleft"), "takecard"),
    **dict.fromkeys(("stopping", "withdrawing", "reversing", "refunding"), "refunding"),
    **dict.fromkeys(("paying", "settling"), "paying"),
    **dict.fromkeys(("sheets", "uncollected"), "sheets"),
    **dict.fromkeys(("notoffered", "refused", "trouble"), "refused"),
}

# The way through, as the person sees it, and where each phase stands on it.
STEPS = ("card", "choose", "pay", "paper")
STEP_OF = {
    Phase.CARD: "card",
    Phase.CHOOSE: "choose",
    Phase.ORDER: "choose",
    Phase.PAY: "pay",
    Phase.ISSUE: "paper",
    Phase.COLLECT: "paper",
}
STEP: Mapping[str, str] = {
    **{state.screen: STEP_OF[state.phase] for state in State if state.phase in STEP_OF},
    **dict.fromkeys((State.REMOVE.screen, State.REMOVEALARM.screen), "card"),
}

# Facts of a screen that whoever tests it may read from the page: codes, counts and amounts, nothing
# of a person.
PUBLIC = (
    "notice code problem unknown tries option count steps step total copies fee due inserted "
    "missing sheet sheets digits printed returned change owed held number amount opens_at "
    "exact_only free"
).split()

# Buttons with a fixed place: in the rail, and at the foot on either side. All others stand in the
# body.
RAIL, LEFT, RIGHT = ("more-time", "cancel"), ("back",), ("next", "confirm", "taken", "ok")

# Refusals that are no trouble: the person wished it, or only time went by.
CALM = ("cancelled", "pin-kept", "too-slow", "card-left", "closed", "maintenance")

FILES = {
    "/panel/styles.css": ("styles.css", "text/css"),
    "/panel/body.css": ("body.css", "text/css"),
    "/panel/pictures.css": ("pictures.css", "text/css"),
    "/panel/pages.js": ("pages.js", "text/javascript"),
    "/panel/panel.js": ("panel.js", "text/javascript"),
}
# What a kiosk with a virtual device loads too.
UNDER_TEST = {"/panel/under_test.css": ("under_test.css", "text/css")}
# What the technician's process loads too.
TECHNICIAN = {"/panel/technician.css": ("technician.css", "text/css")}


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["sentences"] = _sentences
    environment.filters["named"] = lambda name: {"id": "", "name": name}
    environment.globals.update(
        CALM=CALM,
        LEFT=LEFT,
        MODES=tuple(Mode),
        RAIL=RAIL,
        RIGHT=RIGHT,
        STEPS=STEPS,
        how_to_choose=voice_screens.how_to_choose,
        income_year=voice_keys.income_year,
        title=title,
        conditions=voice_screens.conditions,
        lead_key=voice_parts.lead,
        receipt_title=voice_parts.receipt_title,
        belongings=voice_screens.belongings,
        expiring=voice_screens.expiring,
        shut_key=voice_screens.shut_key,
    )
    return environment


def _sentences(text: Markup) -> list[Markup]:
    """A long text in parts that may stand on different pages."""
    return [Markup(part) for part in re.split(r"(?<=[。।])\s*|(?<=[.!?])\s+", text) if part]  # noqa: S704


def title(certificate: Mapping[str, Any], texts: Texts) -> Markup:
    """What a certificate is called: by the title on the paper, and in another language by the
    kiosk's own words where they say the same.
    """
    kind, titles = certificate.get("kind", ""), certificate.get("titles", ())
    if texts.language != PRINTED and is_usual(kind, titles):
        return texts.html(f"kind.{kind}")
    return texts.draw(certificate.get("title", ""))


def render(
    screen: Screen,
    texts: Texts,
    offered: Sequence[str] = (),
    cabinet: Mapping[str, str] = CABINET,
) -> str:
    """The fragment. `offered`: the languages of this kiosk; all of them where none is named.
    `cabinet`: on which side of the screen each device is. Raises LookupError for a text, or
    jinja2.UndefinedError for a fact, that is not there.
    """
    texts = texts.about(screen.about)
    template = _environment().get_template(f"{ALIKE.get(screen.name, screen.name)}.jinja")
    html = template.render(
        screen=screen,
        facts=screen.facts,
        public={name: screen.facts[name] for name in PUBLIC if name in screen.facts},
        t=texts.html,
        moment=texts.moment_html,
        day=texts.day_html,
        texts=texts,
        printed=Texts.load(PRINTED),
        problem=voice_screens.problem_key(screen.facts.get("problem", ""), texts),
        step=STEP.get(screen.name),
        cabinet=cabinet,
        places=places(cabinet),
        languages=[Texts.load(name) for name in offered or languages()],
    )
    html = html.replace("<rt>", '<rt aria-hidden="true">')  # furigana would say each word twice
    html = _ENDING.sub("</ruby>\u2060", html)
    return _BUTTON.sub(functools.partial(_with_key, screen, offered or languages()), html)


# A kanji with furigana, and the kana that ends the word: no line breaks between them.
_ENDING = re.compile("</ruby>(?=[ぁ-ゖ])")


# A button of the journey, or of the voice, and what it sends.
_BUTTON = re.compile(r'<button [^>]*?data-action="([a-z-]+)"(?: data-value="([^"]*)")?')


def _with_key(screen: Screen, offered: Sequence[str], button: re.Match[str]) -> str:
    key = key_of(screen, offered, button[1], button[2] or "")
    return f'{button[0]} data-key="{key}"' if key else button[0]


def render_technician(**facts: Any) -> str:
    """A page of the technician's screens, in Japanese with English: the template says which
    facts.
    """
    template = _environment().get_template("technician.jinja")
    texts = Texts.load(PRINTED)
    return template.render(t=texts.html, facts={}, cabinet=CABINET, places={}, **facts)


def page(
    assets: str = "",
    offered: Sequence[str] = (),
    size: PanelSize = DEFAULT_SIZE,
    under_test: bool = False,
    technician: bool = False,
) -> tuple[str, dict[str, tuple[bytes, str]]]:
    """The shell and what it loads (path: content, content type). `assets` is prefixed to the
    shell's own paths. `under_test`: a banner over every screen says so. `technician`: with the
    style of the technician's screens.
    """
    shell = _environment().get_template("page.jinja")
    everyone = [Texts.load(name) for name in offered or languages()]
    html = shell.render(
        assets=assets,
        everyone=everyone,
        shape=size.shape,
        under_test=under_test,
        technician=technician,
    )
    wanted = {**FILES, **(UNDER_TEST if under_test else {}), **(TECHNICIAN if technician else {})}
    files = {
        path: ((FOLDER / "static" / name).read_bytes(), kind)
        for path, (name, kind) in wanted.items()
    }
    return html, {"/panel/size.css": (size.style_sheet(), "text/css"), **files}
