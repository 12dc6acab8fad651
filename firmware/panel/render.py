"""From a screen of the journey to the HTML fragment that shows it, and the page that shows fragments."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import jinja2

from firmware.flow.screens import Screen
from firmware.flow.states import Phase, State
from firmware.texts import voice
from firmware.texts.texts import Texts, languages

FOLDER = Path(__file__).parent

# Screens that look alike share a template; the others have one of their own name.
ALIKE: Mapping[str, str] = {
    **dict.fromkeys(("starting", "opening", "ordering", "readying", "releasing", "change", "receipting"), "wait"),
    **dict.fromkeys(("reading", "verifying"), "stay"),
    **dict.fromkeys(("remove", "removealarm", "hold", "takecard", "cardleft"), "takecard"),
    **dict.fromkeys(("stopping", "refunding"), "refunding"),
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

# Facts of a screen that whoever tests it may read from the page: codes, counts and amounts, nothing of a person.
PUBLIC = (
    "notice code problem unknown tries option count steps step total copies fee due inserted missing sheet sheets "
    "digits printed returned change owed amount opens_at"
).split()

# Buttons at the foot of a screen, by side; all others stand in its middle.
LEFT, RIGHT = ("cancel", "back"), ("next", "confirm", "taken", "ok")

FILES = {"/panel/styles.css": ("styles.css", "text/css"), "/panel/panel.js": ("panel.js", "text/javascript")}


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
    environment.globals.update(
        LEFT=LEFT,
        RIGHT=RIGHT,
        STEPS=STEPS,
        how_to_choose=voice.how_to_choose,
        receipt_title=voice.receipt_title,
        belongings=voice.belongings,
        expiring=voice.expiring,
    )
    return environment


def render(screen: Screen, texts: Texts) -> str:
    """The fragment. Raises LookupError for a text, or jinja2.UndefinedError for a fact, that is not there."""
    template = _environment().get_template(f"{ALIKE.get(screen.name, screen.name)}.jinja")
    return template.render(
        screen=screen,
        facts=screen.facts,
        public={name: screen.facts[name] for name in PUBLIC if name in screen.facts},
        t=texts.html,
        moment=texts.moment,
        problem=voice.problem_key(screen.facts.get("problem", ""), texts),
        step=STEP.get(screen.name),
        languages=[(name, Texts.load(name).get("name.language")) for name in languages()],
    )


def page(assets: str = "") -> tuple[str, dict[str, tuple[bytes, str]]]:
    """The shell and what it loads (path: content, content type). `assets` is prefixed to the shell's own paths."""
    shell = _environment().get_template("page.jinja")
    html = shell.render(assets=assets, everyone=[Texts.load(name) for name in languages()])
    return html, {path: ((FOLDER / "static" / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}
