"""What is published is right, says nothing of few people, and cannot be made to."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
import transparency_bench
from city_bench import AKASHI, Rehearsal, both
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from transparency_bench import KINDS, Ledger
from verification.page_bench import ARGUMENTS, CHROMIUM

from city import cases, municipality, tables
from city.clock import JST
from city.database import Mode, connect, transact
from city.transparency import inspections, page
from city.transparency.command import _months
from city.transparency.count import Cell
from city.transparency.figures import FiguresError, Month, hide
from city.transparency.inspections import SHOWN, InspectionError
from city.transparency.page import Publication
from city.transparency.words import table, words
from firmware.link.messages import RefusalCode
from firmware.link.refusals import LINE
from firmware.tools.cli import main
from testbed.inspection import report

CITY = municipality.load(AKASHI)
BELOW = 5
MONTHS = 36
NOW = datetime(2027, 1, 2, 3, 0, tzinfo=JST)
KEY = Ed25519PrivateKey.generate()
KNOWN = {"ends", "refusals", "cases", "stops"}


@dataclass
class World:
    engine: Engine
    truth: Ledger
    folder: Path  # with what was published

    @property
    def published(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "figures.json").read_text("utf-8"))
        return found


def publish(engine: Engine, folder: Path, now: datetime = NOW) -> None:
    found = _months(engine, CITY, now, None, None)
    page.write(folder, Publication(CITY, now.date(), found, {"1.0+gabc": 3}, ()), KEY)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("transparency")
    engine = connect(f"sqlite:///{folder / 'city.db'}", 2)
    truth = transparency_bench.write(engine, 11, MONTHS)
    publish(engine, folder / "out")
    yield World(engine, truth, folder / "out")
    engine.dispose()


def cells(published: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], int | None]]:
    """Every number of the months that is published. One of a group that this judge does not know
    is a number whose meaning it cannot check.
    """
    for month in published["months"]:
        groups = {name: value for name, value in month.items() if isinstance(value, list)}
        assert groups.keys() == KNOWN
        for group, figures in groups.items():
            for figure in figures:
                assert figure.keys() == {"what", "count"}
                yield (month["month"], group, figure["what"]), figure["count"]


# -- right -----------------------------------------------------------------------------------------


def test_every_figure_is_what_happened_and_none_is_left_out(world: World) -> None:
    told = {key: count for key, count in cells(world.published) if key[1] != "stops"}
    assert len({month for month, _, _ in told}) == MONTHS
    for key, count in told.items():
        people = len(world.truth.people.get(key, ()))
        expected = world.truth.events[key] if not people or people >= BELOW else None
        assert count == expected, key
    assert world.truth.events.keys() <= told.keys()
    hidden = [key for key, count in told.items() if count is None]
    assert len(hidden) > MONTHS, "there is something to hide"


def test_one_person_often_is_still_few_people() -> None:
    often, never = Cell(), Cell()
    for _ in range(40):
        often.add("the same")
    assert [each.count for each in hide({"a": often, "b": never}, BELOW)] == [None, 0]


def test_who_tries_again_is_counted_once(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'city.db'}", 2)

    def work(connection: Any) -> None:
        made = Ledger(connection, transparency_bench.random.Random(1))
        made.clock = int(datetime(2024, 1, 10, 12, tzinfo=JST).timestamp())
        for _ in range(20):
            made.clock += 60
            made.note("sessions-refused", kiosk="k", code="card-revoked", session=made.id())
        made.end()

    transact(engine, Mode.DECIDE, work)
    publish(engine, tmp_path / "out", datetime(2024, 2, 3, tzinfo=JST))
    [month] = json.loads((tmp_path / "out/figures.json").read_text())["months"]
    assert month["refusals"] == [{"what": "card-revoked", "count": None}]
    engine.dispose()


# -- the judge: can a hidden figure be computed? ---------------------------------------------------

Row = dict[Any, Fraction]


def reduced(rows: Sequence[Row]) -> list[tuple[Any, Row]]:
    """Gauss: each row with the unknown that it is solved for."""
    found: list[tuple[Any, Row]] = []
    for row in rows:
        rest = without(row, found)
        pivot = next((key for key, value in rest.items() if value), None)
        if pivot is None:
            continue
        rest = {key: value / rest[pivot] for key, value in rest.items() if value}
        found = [(other, subtract(known, rest, pivot)) for other, known in found]
        found.append((pivot, rest))
    return found


def without(row: Row, known: Sequence[tuple[Any, Row]]) -> Row:
    for pivot, other in known:
        if row.get(pivot):
            row = subtract(row, other, pivot)
    return row


def subtract(row: Row, other: Row, pivot: Any) -> Row:
    times = row.get(pivot, Fraction(0))
    keys = row.keys() | other.keys()
    zero = Fraction(0)
    return {k: row.get(k, zero) - times * other.get(k, zero) for k in keys} if times else row


def determined(equations: Sequence[Row], hidden: Sequence[Any]) -> list[Any]:
    """Unknowns that these equations alone say the value of. (Right sides do not matter: a unit
    vector in the span of the left sides is solved whatever they are.)
    """
    known = reduced(equations)
    zero = Fraction(0)
    return [
        each
        for each in hidden
        if not any(value != zero for value in without({each: Fraction(1)}, known).values())
    ]


def relations(truth: Ledger, groups: set[str]) -> list[Row]:
    """Every linear relation between cells that held in all months, known or not: what somebody who
    has read the program, or watched it for long, could use. The null space of the true numbers.
    """
    names = sorted({key[1:] for key in truth.events if key[1] in groups})
    months = sorted({key[0] for key in truth.events})
    table = [
        {n: Fraction(truth.events[month, *name]) for n, name in enumerate(names)}
        for month in months
    ]
    known = reduced(table)
    pivots = dict(known)
    free = [n for n in range(len(names)) if n not in pivots]
    return [
        {
            names[n]: Fraction(1),
            **{names[p]: -row[n] for p, row in pivots.items() if row.get(n)},
        }
        for n in free
    ]


def solved(truth: Ledger, published: Mapping[str, Any], more: Sequence[Row] = ()) -> list[Any]:
    """Hidden cells that can be computed from everything: all months, all groups, all relations."""
    told = [(key, count) for key, count in cells(published) if key[1] != "stops"]
    equations: list[Row] = [{key: Fraction(1)} for key, count in told if count is not None]
    for relation in relations(truth, {"ends", "refusals", "cases"}):
        equations += [
            {(month, *name): value for name, value in relation.items()}
            for month in {key[0] for key, _ in told}
        ]
    return determined([*equations, *more], [key for key, count in told if count is None])


def test_no_hidden_figure_can_be_computed(world: World) -> None:
    assert solved(world.truth, world.published) == []


def test_the_judge_would_find_a_total(world: World) -> None:
    """One sum over a month's ends is enough where one of them is hidden."""
    ends: dict[str, list[Any]] = {}
    for key, count in cells(world.published):
        if key[1] == "ends":
            ends.setdefault(key[0], []).append((key, count))
    alone = {
        month: found
        for month, found in ends.items()
        if sum(count is None for _, count in found) == 1
    }
    assert alone
    total: Row = {key: Fraction(1) for key, _ in next(iter(alone.values()))}
    [found] = solved(world.truth, world.published, [total])
    assert found in total


def test_the_judge_would_find_the_same_events_under_two_names(world: World) -> None:
    """As a cell 'uncertain' would be, which is the number of cases of one code."""
    twice = copy(world.truth)
    twice.events = world.truth.events.copy()
    for (month, group, cell), count in world.truth.events.items():
        if group == "cases" and cell == "internal/repaired":
            twice.events[month, "ends", "uncertain"] = count
    found = relations(twice, {"ends", "refusals", "cases"})
    assert any(("ends", "uncertain") in relation for relation in found)
    assert not relations(world.truth, {"ends", "refusals", "cases"})


def test_no_other_number_is_on_the_page_or_in_the_table(world: World) -> None:
    """What is published elsewhere than in the JSON is the same."""
    told = dict(cells(world.published))
    rows = csv.DictReader(io.StringIO((world.folder / "figures.csv").read_text("utf-8-sig")))
    found = {
        (row["month"], row["group"], row["what"]): int(row["count"]) if row["count"] else None
        for row in rows
    }
    assert found == told
    shown = (world.folder / "index.html").read_text("utf-8")
    months = shown.partition('<section aria-labelledby="inspections"')[0]
    numbers = re.findall(r'<td class="number">(?:([\d,]+)|少数)', months)
    assert len(numbers) == len(told)
    assert sorted(int(n.replace(",", "")) for n in numbers if n) == sorted(
        count for count in told.values() if count is not None
    )


def rewritten(seed: int, folder: Path, more: tuple[str, str, int]) -> bytes:
    """Everything that is published of a world in which this person came once more."""
    person, kind, month = more
    engine = connect(f"sqlite:///{folder / 'city.db'}", 2)
    transparency_bench.write(engine, seed, 6)

    def once_more(connection: Any) -> None:
        made = Ledger(connection, transparency_bench.random.Random(99))
        made.clock = int(datetime(2024, month, 25, 12, tzinfo=JST).timestamp())
        made.journey(person, kind, "printed")
        made.end()

    if month:
        transact(engine, Mode.DECIDE, once_more)
    publish(engine, folder / "out", datetime(2024, 8, 2, 9, tzinfo=JST))
    engine.dispose()
    names = sorted(path.name for path in (folder / "out").iterdir() if "sig" not in path.name)
    return b"".join((folder / "out" / name).read_bytes() for name in names)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_journey_more_in_a_hidden_cell_changes_no_byte(tmp_path: Path, seed: int) -> None:
    begin, again = tmp_path / "begin", tmp_path / "again"
    begin.mkdir(), again.mkdir()
    before = rewritten(seed, begin, ("", "", 0))
    published = json.loads((begin / "out/figures.json").read_text("utf-8"))
    month, kind = next(
        (month, what.partition(":")[2])
        for (month, group, what), count in cells(published)
        if group == "ends" and count is None and what.partition(":")[2] in KINDS
    )
    after = rewritten(seed, again, (f"{0:064d}", kind, int(month[-2:])))
    assert before == after


# -- a month never changes -------------------------------------------------------------------------


def test_a_month_that_was_published_stays_whatever_happens_afterwards(tmp_path: Path) -> None:
    """Two publications cannot be subtracted from each other."""
    engine = connect(f"sqlite:///{tmp_path / 'city.db'}", 2)
    transparency_bench.write(engine, 5, 3)
    publish(engine, tmp_path / "first", datetime(2024, 4, 2, 9, tzinfo=JST))
    with engine.begin() as connection:
        connection.execute(tables.cases.update().values(closed=1_900_000_000, result="other"))
        connection.execute(tables.sessions.delete())
    publish(engine, tmp_path / "second", datetime(2024, 6, 2, 9, tzinfo=JST))
    first, second = (
        json.loads((tmp_path / name / "figures.json").read_text("utf-8"))["months"]
        for name in ("first", "second")
    )
    assert second[: len(first)] == first and len(first) == 3
    assert [month["month"] for month in second[3:]] == ["2024-04", "2024-05"]
    with pytest.raises(DBAPIError, match="never changed"), engine.begin() as connection:
        connection.execute(text("UPDATE published SET figures = ''"))
    engine.dispose()


def test_only_whole_months(world: World) -> None:
    for first, last in (("2026-11", "2027-01"), (None, "2027-06")):
        with pytest.raises(FiguresError, match="is not over yet"):
            _months(world.engine, CITY, NOW, first, last)
    found = _months(world.engine, CITY, NOW, "2025-02", "2025-03")
    assert [each.month for each in found] == ["2025-02", "2025-03"]


# -- words -----------------------------------------------------------------------------------------


def test_every_word_is_there() -> None:
    known = table()
    codes = {*cases.OF_REFUSAL.values()} | {
        value for name, value in vars(cases).items() if name.isupper() and isinstance(value, str)
    }
    source = Path(cases.__file__).with_name("outcomes.py").read_text("utf-8")
    codes |= set(re.findall(r'yield "([a-z-]+)"', source))
    assert codes == known["cases"].keys()
    assert {*cases.RESULTS, "open", "closed"} == known["results"].keys()
    month = msgspec.convert(
        {
            "month": "2026-01",
            "hidden_below": 5,
            **dict.fromkeys(KNOWN, ()),
            "titles": {"inkan": {"ja": "印鑑登録証明書"}},
        },
        Month,
    )
    for code in set(RefusalCode) - LINE:
        ja, en = words(month, "refusals", code.value)
        assert ja.endswith("。") and en.endswith("."), code
    assert words(month, "ends", "issued:inkan") == (
        "交付：印鑑登録証明書",
        "Issued: 印鑑登録証明書",
    )
    assert words(month, "cases", "mix-up/open")[0] == "別の人の手続との取り違えの疑い（調査中）"


# -- inspections -----------------------------------------------------------------------------------


def report_of(folder: Path, key: Ed25519PrivateKey) -> Path:
    lines = ["# 報告書", "", "結果：不一致はなかった。", "", "Result: nothing differed.", ""]
    lines += [f"- {words}: {n}" for n, words in enumerate(SHOWN)]
    path = folder / "report.md"
    path.write_bytes(report.sign("\n".join(lines) + "\n", key))
    return path


def test_a_report_is_shown_when_a_trusted_key_signed_it(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    path = report_of(tmp_path, key)
    found = inspections.read(path, (KEY.public_key(), key.public_key()))
    assert found.values == ("0", "1", "2", "3", "4")
    assert found.results == ("不一致はなかった。", "nothing differed.")
    for trusted in ((), (KEY.public_key(),)):
        with pytest.raises(InspectionError, match="not a report"):
            inspections.read(path, trusted)
    path.write_bytes(path.read_bytes().replace(b"nothing", b"Nothing"))
    with pytest.raises(InspectionError, match="not a report"):
        inspections.read(path, (key.public_key(),))


def test_the_words_are_those_of_the_report() -> None:
    assert set(SHOWN) <= {english for _, _, english in report.FIGURES}
    for japanese, english in report.VERDICT.values():
        assert japanese.startswith("結果：") and english.startswith("Result: ")
    assert (report.BEGIN + "\n").encode() == inspections.BEGIN
    assert (report.END, report.CONTEXT) == (inspections.END, inspections.CONTEXT)


# -- the command -----------------------------------------------------------------------------------


@both
def test_the_command_writes_what_openssl_and_sha256sum_can_check(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = rehearsal.folder
    config = folder / "city.toml"
    out = folder / "public"
    words = ["city", "transparency", "--config", str(config), "--out", str(out)]
    assert main(words) == 2 and "no section [records]" in capsys.readouterr().err
    (folder / "records.pem").write_bytes(
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    config.write_text(
        config.read_text("utf-8")
        + '[records]\narchive = "archive"\nkey = "records.pem"\n'
        + "[clock]\nstart = 2024-04-02T03:00:00+09:00\n",
        "utf-8",
    )
    transparency_bench.write(rehearsal.city.engine, 4, 3)
    signer = Ed25519PrivateKey.generate()
    public = folder / "inspector.pem"
    public.write_bytes(
        signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    more = ["--inspection", str(report_of(folder, signer)), "--inspection-key", str(public)]
    assert main([*words, *more]) == 0
    assert "index.html" in capsys.readouterr().out
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out).returncode == 0
    openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "records-public.pem", "-rawin"]
    files = ["-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]
    assert subprocess.run([*openssl, *files], cwd=out, capture_output=True).returncode == 0
    assert len(json.loads((out / "figures.json").read_text("utf-8"))["months"]) == 3
    assert "不一致はなかった。" in (out / "index.html").read_text("utf-8")
    assert main([*words, "--until", "2024-04"]) == 2
    assert "not over yet" in capsys.readouterr().err


def test_a_city_that_publishes_nothing_is_told_so(tmp_path: Path) -> None:
    silent = msgspec.structs.replace(CITY, transparency=None)
    shown = page.html(Publication(silent, date(2026, 1, 2), (), {}, ()))
    assert "公表する月は、まだありません" in shown


# -- as it is seen ---------------------------------------------------------------------------------


COLOURS = {"runOnly": ["color-contrast"]}


@pytest.mark.browser
def test_axe_finds_nothing_and_nothing_is_cut_off(world: World, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("axe_playwright_python")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium")
    found = _months(world.engine, CITY, NOW, "2025-03", "2025-03")
    inspected = inspections.read(report_of(tmp_path, KEY), (KEY.public_key(),))
    what = Publication(CITY, NOW.date(), found, {"1.0+g1": 3}, (inspected,))
    page.write(tmp_path / "out", what, KEY)
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for scheme, width, rules in (("light", 1280, {}), ("dark", 320, COLOURS)):
            view = {"width": width, "height": 800}
            seen = browser.new_page(color_scheme=scheme, viewport=view)
            seen.goto((tmp_path / "out/index.html").as_uri())
            seen.evaluate(axe)
            axed = seen.evaluate("rules => axe.run(rules)", rules)
            wrong = [(one["id"], one["nodes"][0]["html"]) for one in axed["violations"]]
            assert wrong == [] and len(axed["passes"]) > (0 if rules else 15)
            assert seen.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
