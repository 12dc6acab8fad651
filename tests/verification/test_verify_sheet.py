"""`kiosk verify-sheet`: from a picture, without a line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segno
from PIL import Image, ImageFilter
from verification.page_bench import IN_FORCE, Keys, _pem, draw_sheet, payload

from firmware.link import sheet_code, signing
from firmware.tools.cli import main

PAGE = "https://kakunin.example.lg.jp/v"


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def pem(keys: Keys, tmp_path: Path) -> str:
    return str(_pem(tmp_path / "current.pem", keys.current))


@pytest.fixture
def sheet(keys: Keys, tmp_path: Path) -> Path:
    return draw_sheet(tmp_path / "sheet.png", sheet_code.address(PAGE, payload(keys.current)))


def test_a_genuine_sheet_is_told_with_what_to_compare(
    sheet: Path, pem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify-sheet", str(sheet), "--key", pem]) == 0
    told = capsys.readouterr().out
    assert told.startswith("署名は本物です。無効にされていないかは、この確認では分かりません。")
    for word in ("明石　太郎", IN_FORCE, "令和8年11月24日", "（1/2）", "世帯全員　3人"):
        assert word in told


def test_json_holds_every_field_and_no_word_about_being_in_force(
    keys: Keys, pem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sheet_code.address(
        PAGE, payload(keys.current, kind="kazei", year=2026, people=None, whole=False)
    )
    assert main(["verify-sheet", whole, "--key", pem, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["in_force"]) == ("genuine", None)
    (code,) = told["codes"]
    assert (code["holder"], code["year"], code["people"], code["whole"]) == (
        "明石　太郎",
        2026,
        None,
        None,
    )
    assert date.fromisoformat(code["day"]) == date(2026, 11, 24)


def test_a_payload_alone_does(keys: Keys, pem: str) -> None:
    assert main(["verify-sheet", sheet_code.address("", payload(keys.next))[1:], "--key", pem]) == 1
    assert (
        main(["verify-sheet", sheet_code.address("", payload(keys.current))[1:], "--key", pem]) == 0
    )


def test_several_keys_may_be_alive(keys: Keys, pem: str, tmp_path: Path) -> None:
    other = str(_pem(tmp_path / "next.pem", keys.next))
    for key in (keys.current, keys.next):
        given = sheet_code.address(PAGE, payload(key))
        assert main(["verify-sheet", given, "--key", pem, "--key", other]) == 0


@pytest.mark.parametrize(
    "way", ["forged", "cut", "doubled", "stranger", "lower case", "another payload"]
)
def test_what_is_not_proven_is_not_genuine(
    keys: Keys, pem: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = payload(keys.current)
    text = sheet_code.address(PAGE, whole)
    given = {
        "forged": sheet_code.address(
            PAGE, payload(keys.stranger, key=signing.reference(keys.current.public_key()))
        ),
        "cut": text[:-9],
        "doubled": sheet_code.address(PAGE, whole + whole),
        "stranger": sheet_code.address(PAGE, payload(keys.stranger)),
        "lower case": PAGE + "#" + text.partition("#")[2].lower(),
        "another payload": f"{PAGE}#HELLO",
    }[way]
    assert main(["verify-sheet", given, "--key", pem]) == 1
    told = capsys.readouterr().out
    assert told.startswith("本物ではありません。")
    assert "明石" not in told


def photo(sheet: Path, way: str) -> Image.Image:
    """The sheet after a scanner or a hand-held phone."""
    picture = Image.open(sheet).convert("L")
    noise = np.random.default_rng(1).normal(0, 18, (picture.height, picture.width))
    noisy = Image.fromarray(
        np.clip(np.asarray(picture, float) * 0.6 + 60 + noise, 0, 255).astype(np.uint8)
    )
    return {
        "150 dpi": lambda: picture.resize((1240, 1754)),
        "upside down": lambda: picture.rotate(180),
        "sideways": lambda: picture.rotate(90, expand=True),
        "held askew": lambda: picture.rotate(8, expand=True, fillcolor=255),
        "blurred": lambda: picture.filter(ImageFilter.GaussianBlur(2.2)),
        "grey and noisy": lambda: noisy,
    }[way]()


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize(
    "way", ["150 dpi", "upside down", "sideways", "held askew", "blurred", "grey and noisy"]
)
def test_scans_and_photos_are_read(sheet: Path, pem: str, way: str, ending: str) -> None:
    made = sheet.with_name(f"photo.{ending}")
    photo(sheet, way).save(made)
    assert main(["verify-sheet", str(made), "--key", pem]) == 0


def test_a_sheet_without_a_code_has_none(
    pem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.png"
    Image.new("L", (800, 1000), 255).save(empty)
    assert main(["verify-sheet", str(empty), "--key", pem]) == 3
    assert capsys.readouterr().out.startswith("証明書のコードが見つかりません。")


def test_another_code_beside_it_is_of_no_interest(
    keys: Keys, pem: str, sheet: Path, tmp_path: Path
) -> None:
    both = Image.open(sheet).convert("L")
    segno.make_qr("https://example.jp/").save(str(tmp_path / "flyer.png"), scale=8, border=4)
    flyer = Image.open(tmp_path / "flyer.png").convert("L")
    beside = Image.new("L", (both.width * 2, both.height), 255)
    beside.paste(both, (0, 0))
    beside.paste(flyer, (both.width, 0))
    beside.save(tmp_path / "both.png")
    assert main(["verify-sheet", str(tmp_path / "both.png"), "--key", pem]) == 0
    assert main(["verify-sheet", str(tmp_path / "flyer.png"), "--key", pem]) == 1


def test_one_forged_sheet_beside_a_genuine_one_is_not_hidden_by_it(
    keys: Keys, pem: str, sheet: Path, tmp_path: Path
) -> None:
    forged = sheet_code.address(
        PAGE, payload(keys.stranger, key=signing.reference(keys.current.public_key()))
    )
    other = Image.open(draw_sheet(tmp_path / "forged.png", forged)).convert("L")
    both = Image.new("L", (other.width * 2, other.height), 255)
    both.paste(Image.open(sheet).convert("L"), (0, 0))
    both.paste(other, (other.width, 0))
    both.save(tmp_path / "both.png")
    assert main(["verify-sheet", str(tmp_path / "both.png"), "--key", pem]) == 1


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40), b"<svg/>"], ids=repr
)
def test_what_is_no_picture_is_one_line(
    pem: str, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(content)
    assert main(["verify-sheet", str(path), "--key", pem]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_no_such_file_and_no_such_key(
    pem: str, sheet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify-sheet", "nowhere.png", "--key", pem]) == 2
    assert main(["verify-sheet", str(sheet), "--key", "nowhere.pem"]) == 2
    assert main(["verify-sheet", str(sheet), "--key", str(sheet)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_cut_picture_is_one_line(sheet: Path, pem: str, tmp_path: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(sheet.read_bytes()[:2000])
    assert main(["verify-sheet", str(cut), "--key", pem]) == 2


def test_the_arguments_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["x.png"], ["--key"]):
        with pytest.raises(SystemExit) as ended:
            main(["verify-sheet", *words])
        assert ended.value.code == 2
    capsys.readouterr()


def test_its_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify-sheet", "--help"])
    told: Any = capsys.readouterr().out
    assert "3: no code found" in told
