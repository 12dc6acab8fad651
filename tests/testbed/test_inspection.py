"""An inspection: a dry run and a machine that is wrong, on the whole system; what is kept, what is
reported, and what a signature covers.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from testbed.demo import FOLDER
from testbed.inspection import command, plan, prove, published, register, report
from testbed.inspection.command import Exit, main
from testbed.inspection.errand import Errand
from testbed.inspection.journey import _touch
from testbed.inspection.report import ReportError
from testbed.inspection.run import AT_THE_MONEY, SERVED
from testbed.inspection.state import Order, Result, State, StateError, load, save
from testbed.screen import Seen, Touchable

ORDER = Order(journeys=2, kiosks=1, seed=0, trouble=0.0, dry=False, build="1.2.3")
# What an inspection says of each machine or city that is wrong on purpose.
FOUND = {
    "character": "ink of the truth is missing",
    "previous": "sheet 1: the code's",
    "beside": "sheet 1: the code's",
    "twice": "2 sheets instead of 1",
    "unsigned": "0 codes on a sheet",
    "another_file": "is not the register's",
    "another_address": "is not the register's",
    "another_title": "title is not what the city has published",
    "another_statement": "statement is not what the city has published",
}
DAY = date(2026, 11, 24)
DONE = [Result(1, 1, "inkan", SERVED, sheets=1), Result(1, 2, "kazei", "printer")]


@pytest.mark.wires
@pytest.mark.slow
def test_a_dry_run_is_reported_and_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    # The folder is shared, and somebody's inspection may not be finished there.
    monkeypatch.setattr(command, "STATE", tmp_path / "state.json")
    out, key = tmp_path / "report.md", tmp_path / "key.pem"
    asked = ["--dry", "--new", "--journeys", "1", "--kiosks", "1", "--trouble", "0", "--load", "0"]
    code = main([*asked, "--report", str(out), "--key", str(key), "--folder", str(FOLDER)])
    assert code == Exit.WELL, out.read_text("utf-8")
    said = out.read_text("utf-8")
    assert "Journeys that reached the payment (dry run): 1" in said
    assert "読み取って照合した用紙の枚数: 0" in said
    assert key.stat().st_mode & 0o777 == 0o600
    assert main(["--verify", str(out)]) == Exit.WELL
    out.write_text(said.replace("Mismatches: 0", "Mismatches: 1"), "utf-8")
    assert main(["--verify", str(out)]) == Exit.DIFFERS
    assert "does not hold" in capsys.readouterr().err


@pytest.mark.wires
@pytest.mark.slow
@pytest.mark.parametrize("mistake", FOUND)
def test_what_is_wrong_on_purpose_is_found(mistake: str) -> None:
    found = prove.find(FOLDER, 0, mistake)
    assert any(FOUND[mistake] in fault for fault in found), found


def test_nothing_that_is_wrong_on_purpose_is_left_out() -> None:
    assert FOUND.keys() == set(prove.controls())


# -- what is kept


def test_an_inspection_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = load(path, ORDER, "now")
    state.results.append(DONE[0])
    state.add_disturbances(Counter({("line", "cut"): 2, ("card", "glitch"): 0}))
    save(path, state)
    again = load(path, ORDER, "later")
    assert (again, again.done(1), again.whole) == (state, {1}, False)
    again.add_disturbances(Counter({("line", "cut"): 1}))
    assert again.disturbances == {"line: cut": 3}


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order(3, 1, 0, 0.0, False, "1.2.3"), "journeys 2"),
        (Order(2, 1, 0, 0.0, True, "1.2.3"), "dry False"),
        (Order(2, 1, 0, 0.0, False, "1.2.4"), "build 1.2.3"),
    ],
)
def test_another_inspection_does_not_go_on_with_it(tmp_path: Path, order: Order, says: str) -> None:
    path = tmp_path / "state.json"
    save(path, State(ORDER, "now"))
    with pytest.raises(StateError, match=says):
        load(path, order, "later")


@pytest.mark.parametrize("text", [b"", b"{}", b'{"version": 1', b"\xff"])
def test_a_damaged_state_is_named(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(text)
    with pytest.raises(StateError, match=r"state\.json"):
        load(path, ORDER, "now")


# -- what is reported


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "sound"),
        ({"results": DONE[:1]}, "part"),
        ({"results": [DONE[1], Result(1, 1, "inkan", "printer")]}, "nothing"),
        ({"results": [DONE[1], Result(1, 1, "inkan", AT_THE_MONEY)]}, "sound"),
        ({"results": [DONE[0], Result(1, 2, "kazei", SERVED, faults=["x"])]}, "wrong"),
        ({"city_faults": ["x"], "results": []}, "wrong"),
    ],
)
def test_the_verdict(changed: dict[str, Any], says: str) -> None:
    state = State(ORDER, "now", **{"results": DONE, **changed})
    assert report.verdict(state) == says


def test_the_report_has_each_figure_in_both_languages() -> None:
    state = State(ORDER, "2026-11-24", DONE, {"line: cut": 3}, compared=7)
    said = report.text(state, "2026-11-25")
    for name, *words in report.FIGURES:
        for word in words:
            assert f"- {word}: {report.figures(state, '2026-11-25')[name]}\n" in said
    assert all(words in said for words in report.DEVICES)
    assert "- printer: 1\n" in said
    assert "- 市との回線: cut: 3\n" in said
    assert "- line: cut: 3\n" in said
    assert "- 印鑑登録証明書: 1\n" in said


def test_each_certificate_has_its_name_in_japanese() -> None:
    assert {errand.kind for errand in plan.ERRANDS} <= report.JAPANESE.keys()


def test_no_report_names_a_test_person() -> None:
    """What was asked for is told without the card that it was asked with."""
    people = {errand.resident for errand in plan.ERRANDS}
    assert not [e for e in plan.ERRANDS if people & set(plan.described(e).split())]


def test_a_key_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path, public = tmp_path / "report.md", tmp_path / "public.pem"
    other = Ed25519PrivateKey.generate().public_key()
    public.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path.write_bytes(report.sign("a\n", Ed25519PrivateKey.generate()))
    report.verify(path)
    with pytest.raises(ReportError, match="another key"):
        report.verify(path, public)
    public.write_text("no key")
    with pytest.raises(ReportError, match="not a public key"):
        report.verify(path, public)


def test_altered_reports_are_found() -> None:
    assert prove._find_alterations()


# -- who comes


def test_every_errand_comes_before_any_comes_again() -> None:
    count = len(plan.ERRANDS)
    first = [plan.choose(5, 1, n).name for n in range(count)]
    assert sorted(first) == sorted(errand.name for errand in plan.ERRANDS)
    assert first != [plan.choose(5, 2, n).name for n in range(count)]


def question(chosen: dict[str, bool], **facts: Any) -> Seen:
    buttons = [Touchable("pick", value, frozenset(), on) for value, on in chosen.items()]
    return Seen(1, "options", buttons=buttons, facts=facts)


@pytest.mark.parametrize(
    ("chosen", "touch"),
    [
        ({"a": True, "b": False}, "b"),
        ({"a": True, "b": True}, "a"),
        ({"a": False, "b": True}, ""),
    ],
)
def test_what_is_wanted_is_picked_first(chosen: dict[str, bool], touch: str) -> None:
    errand = Errand("taro", "juminhyo", {"fields": ("b",)})
    assert _touch(errand, question(chosen, option="fields")) == touch
    assert _touch(errand, question(chosen, option="scope")) == ""


# -- what the city has published


@pytest.mark.parametrize(
    ("errand", "case", "subtitle"),
    [
        (Errand("taro", "juminhyo"), "世帯の一部", "（世帯の一部）"),
        (Errand("taro", "juminhyo", {"scope": ("household",)}), "世帯全員", "（世帯全員）"),
        (Errand("taro", "inkan"), "登録されている印影", ""),
        (
            Errand("taro", "kazei", {"year": ("y2025",)}),
            "上記のとおり",
            "令和7年度（令和6年分所得）",
        ),
    ],
)
def test_the_words_of_each_kind_are_known(errand: Errand, case: str, subtitle: str) -> None:
    named, household = register.people_of(errand)
    whole, year = len(named) == len(household), register.year_of(errand)
    wanted = dict(published.words(errand.kind, DAY, whole, year))
    assert case in str(wanted["statement"])
    assert wanted["subtitle"] == subtitle
    assert published.faults_of(errand, wanted, DAY) == []
    for name in wanted:
        altered = {**wanted, name: "another"}
        assert published.faults_of(errand, altered, DAY) == [name]
