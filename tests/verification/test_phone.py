"""From a sheet's picture to the words on a phone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verification.page_bench import IN_FORCE, NOT_KNOWN, OTHERS, VOID, Bench, draw_sheet, payload
from verification.phone import GENUINE, Phone, phone_of

from firmware.link import sheet_code, signing
from firmware.link.signing import SignatureError

pytestmark = pytest.mark.browser


@pytest.fixture
def phone(browser: Any, bench: Bench) -> Iterator[Phone]:
    with phone_of(browser, bench, timezone_id="Asia/Tokyo") as made:
        yield made


def picture(bench: Bench, folder: Path, of: bytes, name: str = "明石　太郎") -> Path:
    return draw_sheet(folder / "sheet.png", sheet_code.address(bench.page, of), name)


# -- from the picture


def test_a_genuine_sheet_is_genuine_and_shows_what_to_compare(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    assert phone.scan(picture(bench, tmp_path, payload(bench.keys.current))) == "in-force"
    assert phone.title() == "本物で、有効です"
    assert phone.fields() == {
        "氏名": "明石　太郎",
        "証明書の種類": "住民票の写し",
        "記載されている人数": "世帯全員　3人",
        "固有番号": IN_FORCE,
        "発行日": "令和8年11月24日\n2026年11月24日",
        "用紙": "（1/2）\n2枚中の1枚目",
        "市区町村": "明石市",
    }
    assert "まったく同じですか" in phone.page.inner_text("#sheet")


def test_a_second_key_is_alive_beside_the_first(bench: Bench, phone: Phone, tmp_path: Path) -> None:
    assert phone.scan(picture(bench, tmp_path, payload(bench.keys.next))) == "in-force"


def test_a_voided_sheet_is_said_to_be_void(bench: Bench, phone: Phone, tmp_path: Path) -> None:
    assert (
        phone.scan(picture(bench, tmp_path, payload(bench.keys.current, unique_number=VOID)))
        == "void"
    )
    assert phone.title() == "本物ですが、無効になっています"


def test_a_number_the_city_does_not_know_is_not_confirmed(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    assert (
        phone.scan(picture(bench, tmp_path, payload(bench.keys.current, unique_number=NOT_KNOWN)))
        == "unknown"
    )
    assert phone.title() == "確認できません — この市の記録にありません"


def test_a_code_copied_onto_another_sheet_shows_whose_it_is(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    """It verifies: what catches it is that the paper says something else than the page."""
    copied = payload(
        bench.keys.current, unique_number=OTHERS, holder="別府　花子", people=1, whole=False
    )
    assert phone.scan(picture(bench, tmp_path, copied, name="明石　太郎")) == "in-force"
    shown = phone.fields()
    assert (shown["氏名"], shown["固有番号"]) == ("別府　花子", OTHERS)
    assert shown["記載されている人数"] == "世帯の一部　1人"
    warning = phone.page.inner_text("#same")
    assert "ひとつでもちがうとき" in warning


def test_a_forged_signature_is_not_genuine(bench: Bench, phone: Phone, tmp_path: Path) -> None:
    named = signing.reference(bench.keys.current.public_key())
    forged = payload(bench.keys.stranger, key=named)
    assert phone.scan(picture(bench, tmp_path, forged)) == "forged"
    assert phone.title() == "本物ではありません"
    assert phone.fields() == {}


# -- keys and cities


@pytest.mark.parametrize(
    ("key", "day", "verdict"),
    [
        ("retired", date(2026, 3, 31), "in-force"),  # its last day
        ("retired", date(2026, 4, 1), "retired-key"),
        ("next", date(2026, 11, 1), "in-force"),  # its first
        ("next", date(2026, 10, 31), "retired-key"),
        ("revoked", date(2025, 6, 1), "revoked-key"),
        ("revoked", date(2026, 12, 2), "revoked-key"),
        ("stranger", date(2026, 11, 24), "unknown-key"),
    ],
)
def test_a_key_proves_something_on_its_days_only(
    bench: Bench, phone: Phone, key: str, day: date, verdict: str
) -> None:
    assert phone.check(payload(getattr(bench.keys, key), day=day)) == verdict
    assert bool(phone.fields()) is (verdict == "in-force")


def test_another_citys_code_is_not_confirmed(bench: Bench, phone: Phone) -> None:
    assert phone.check(payload(bench.keys.current, city="131016")) == "other-city"


def test_a_kind_that_the_citys_data_do_not_know_is_shown_as_it_is(
    bench: Bench, phone: Phone
) -> None:
    phone.check(payload(bench.keys.current, kind="koseki.2030"))
    assert phone.fields()["証明書の種類"] == "koseki.2030"


def test_a_tax_certificate_shows_its_fiscal_year(bench: Bench, phone: Phone) -> None:
    phone.check(payload(bench.keys.current, kind="kazei", year=2019, people=None, whole=False))
    assert phone.fields()["年度"] == "平成31年度\n2019年度"
    phone.check(
        payload(
            bench.keys.current,
            kind="kazei",
            year=2026,
            day=date(2026, 5, 1),
            people=None,
            whole=False,
        )
    )
    assert phone.fields()["年度"] == "令和8年度\n2026年度"


def test_the_first_year_of_an_era_is_written_as_on_paper(bench: Bench, phone: Phone) -> None:
    phone.open(bench.page)
    first = (
        "() => import('/v/dates.js').then(({ era }) => [era('2019-05-01'), "
        "era('2019-04-30'), era('2029-05-01')])"
    )
    assert phone.page.evaluate(first) == ["令和元年5月1日", "平成31年4月30日", "令和11年5月1日"]


def test_a_name_is_shown_with_its_variation_selectors(bench: Bench, phone: Phone) -> None:
    name = "渡\U000e0102邊　𠮷子"
    phone.check(payload(bench.keys.current, holder=name))
    assert phone.fields()["氏名"] == name
    assert "細かな形" in phone.page.inner_text("#sheet")


def test_markup_in_a_name_is_a_name(bench: Bench, phone: Phone) -> None:
    phone.check(payload(bench.keys.current, holder="<img src=x onerror=alert(1)>"))
    assert phone.fields()["氏名"] == "<img src=x onerror=alert(1)>"


# -- what is no code, or no longer one


def mangled(rng: random.Random, whole: bytes) -> str:
    """The part behind `#` of an address whose payload was damaged, or dressed up, in one of many
    ways.
    """
    text = sheet_code.address("", whole)[1:]
    at = rng.randrange(len(text))
    cut = rng.randrange(len(whole))
    bit = bytes((whole[cut] ^ 1 << rng.randrange(8),))
    ways = (
        lambda: text[:at],
        lambda: text[at + 1 :],
        lambda: text + text,
        lambda: f"{text}#{text[:at]}",
        lambda: text + "=" * rng.randrange(1, 9),
        lambda: text + "A" * rng.randrange(1, 20),
        lambda: text[:-1] + rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        lambda: sheet_code.address("", shuffled(rng, whole))[1:],
        lambda: text.lower(),
        lambda: (
            text[:at] + text[at].lower() + text[at + 1 :] if text[at].isalpha() else text + "%00"
        ),
        lambda: text[:at] + rng.choice("ABC=%01 é\u0000") + text[at + 1 :],
        lambda: "".join(f"%{ord(letter):02X}" for letter in text),
        lambda: sheet_code.address("", whole[:cut] + whole[cut + 1 :])[1:],
        lambda: sheet_code.address("", whole[:cut] + bit + whole[cut + 1 :])[1:],
        lambda: sheet_code.address(
            "", whole[:cut] + rng.randbytes(rng.randrange(1, 9)) + whole[cut:]
        )[1:],
        lambda: sheet_code.address("", whole[:-64] + rng.randbytes(64))[1:],
        lambda: sheet_code.address("", whole + whole)[1:],
        lambda: sheet_code.address("", whole + bytes(rng.randrange(1, 99)))[1:],
        lambda: sheet_code.address("", rng.randbytes(rng.randrange(300)))[1:],
        lambda: "?" + text,
        lambda: "/" + text,
        lambda: " " + text,
        lambda: text + "\u3000",
    )
    return rng.choice(ways)()


def shuffled(rng: random.Random, whole: bytes) -> bytes:
    """The same fields in another order, one of them twice, or one fewer."""
    header, rest, signature = whole[:12], whole[12:-64], whole[-64:]
    fields = []
    while rest:
        size = 2 + rest[1]
        fields.append(rest[:size])
        rest = rest[size:]
    at = rng.randrange(len(fields))
    ways = (
        rng.sample(fields, len(fields)),
        [*fields[: at + 1], *fields[at:]],
        [*fields[:at], *fields[at + 1 :]],
    )
    return header + b"".join(rng.choice(ways)) + signature


def proven(bench: Bench, text: str) -> bool:
    """Whether the project's own hand finds a signature of the current key in it."""
    try:
        signing.verify_code([bench.keys.current.public_key()], sheet_code.payload_of(text))
    except (SignatureError, sheet_code.CodeError):
        return False
    return True


def test_nothing_damaged_is_ever_genuine(bench: Bench, phone: Phone) -> None:
    """On the open page, one after the other, as somebody who tries."""
    whole = payload(bench.keys.current, people=None, whole=False)
    assert phone.check(whole) == "in-force"
    found = set()

    @settings(max_examples=250, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def try_it(rng: random.Random) -> None:
        text = mangled(rng, whole)
        verdict = phone.turn_to(text)
        found.add(verdict)
        assert (verdict in GENUINE) is proven(bench, phone.page.evaluate("location.hash")), (
            text,
            verdict,
        )

    try_it()
    assert {"unreadable", "forged"} <= found


def test_a_fragment_of_a_mebibyte_is_no_code(phone: Phone, bench: Bench) -> None:
    assert phone.open(f"{bench.page}#{'MDAQ' * 262_144}") == "unreadable"


def test_without_a_code_it_says_what_to_do(phone: Phone, bench: Bench) -> None:
    assert phone.open(bench.page) == "none"
    assert phone.open(f"{bench.page}#") == "none"
    assert "右下" in phone.page.inner_text("#text")


# -- the city's answer


def test_offline_the_signature_is_checked_and_nothing_more_is_said(
    bench: Bench, phone: Phone
) -> None:
    phone.open(bench.page)
    phone.page.context.set_offline(True)
    text = sheet_code.address("", payload(bench.keys.current))
    assert phone.turn_to(text) == "unasked"
    assert phone.title() == "署名は本物です。有効かどうかは確認できませんでした"
    assert phone.fields()["固有番号"] == IN_FORCE
    named = signing.reference(bench.keys.current.public_key())
    assert (
        phone.turn_to(sheet_code.address("", payload(bench.keys.stranger, key=named))) == "forged"
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": ""},
        {"status": 200, "body": "in-force"},
        {"status": 200, "body": '{"standing": "genuine"}'},
        {"status": 200, "body": '{"standing": ["in-force"]}'},
        {"status": 200, "body": '{"standing": {"in-force": true}}'},
        {"status": 200, "body": "null"},
        {"status": 200, "body": "<html>in-force</html>"},
        {"status": 200, "body": "x" * 1_000_000},
        {"status": 500, "body": '{"standing": "in-force"}'},
        {"status": 429, "body": '{"standing": "in-force"}'},
        {"status": 302, "body": "", "headers": {"Location": "/v"}},
    ],
    ids=str,
)
def test_an_answer_that_is_none_leaves_it_open(
    bench: Bench, phone: Phone, answer: dict[str, Any]
) -> None:
    phone.page.route("**/v/status", lambda route: route.fulfill(**answer))
    assert phone.check(payload(bench.keys.current)) == "unasked"


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", '{"keys": []}', '{"keys": {}, "name": {"ja": "x"}}'], ids=str
)
def test_without_the_citys_keys_nothing_is_confirmed(bench: Bench, phone: Phone, body: str) -> None:
    phone.page.route("**/v/keys.json", lambda route: route.fulfill(status=200, body=body))
    assert phone.check(payload(bench.keys.current)) == "no-keys"


def test_only_the_number_is_sent(bench: Bench, phone: Phone) -> None:
    phone.check(payload(bench.keys.current))
    (asked,) = [request for request in phone.asked if request.method == "POST"]
    assert asked.post_data_json == {"number": IN_FORCE}
    sent = " ".join(
        f"{request.url.partition('#')[0]} {request.post_data} {request.headers}"
        for request in phone.asked
    )
    assert sheet_code.address("", payload(bench.keys.current))[1:9] not in sent
    assert not any("referer" in request.all_headers() for request in phone.asked)


def test_a_late_answer_says_nothing_about_the_next_sheet(bench: Bench, phone: Phone) -> None:
    held: list[Any] = []
    phone.page.route("**/v/status", lambda route: held.append(route))
    phone.open(bench.page)
    with phone.page.expect_request("**/v/status"):
        phone.page.evaluate(
            "(text) => { location.hash = text; }",
            sheet_code.address("", payload(bench.keys.current)),
        )
    assert phone.turn_to("GARBAGE1") == "unreadable"
    held[0].fulfill(status=200, body='{"standing": "in-force"}')
    phone.page.wait_for_timeout(200)
    assert phone.verdict() == "unreadable"


def test_it_says_when_the_city_answered(bench: Bench, phone: Phone) -> None:
    phone.page.clock.install(time="2026-11-24T14:05:00+09:00")
    phone.check(payload(bench.keys.current))
    assert "（2026/11/24 14:05 現在）" in phone.page.inner_text("#text")
    phone.turn_to("A")
    assert "現在" not in phone.page.inner_text("#text")


# -- browsers

NO_ED25519 = """
const real = globalThis.SubtleCrypto?.prototype.importKey;
if (real) SubtleCrypto.prototype.importKey = function (format, data, algorithm, ...rest) {
  if ((algorithm.name ?? algorithm) === "Ed25519") {
    return Promise.reject(new DOMException("no", "NotSupportedError"));
  }
  return real.call(this, format, data, algorithm, ...rest);
};
"""
SAYS_YES = "if (globalThis.SubtleCrypto) SubtleCrypto.prototype.verify = async () => true;"
SAYS_NOTHING = "if (globalThis.SubtleCrypto) SubtleCrypto.prototype.verify = async () => undefined;"
NO_WEBCRYPTO = "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"


@pytest.mark.parametrize(
    "init", [NO_ED25519, SAYS_YES, SAYS_NOTHING], ids=["lacks", "says yes", "says nothing"]
)
def test_where_the_browsers_own_check_is_no_good_the_library_checks(
    browser: Any, bench: Bench, init: str
) -> None:
    named = signing.reference(bench.keys.current.public_key())
    with phone_of(browser, bench, init=init) as phone:
        assert phone.check(payload(bench.keys.current)) == "in-force"
        assert phone.check(payload(bench.keys.stranger, key=named)) == "forged"
        assert any(request.url.endswith("noble-ed25519.js") for request in phone.asked)


def test_the_library_is_not_loaded_where_it_is_not_needed(bench: Bench, phone: Phone) -> None:
    phone.check(payload(bench.keys.current))
    assert not any("noble" in request.url for request in phone.asked)


def test_without_webcrypto_nothing_is_confirmed(browser: Any, bench: Bench) -> None:
    with phone_of(browser, bench, init=NO_WEBCRYPTO) as phone:
        assert phone.check(payload(bench.keys.current)) == "unsupported"
        assert phone.fields() == {}


def test_without_scripts_nothing_is_confirmed(browser: Any, bench: Bench) -> None:
    with phone_of(browser, bench, java_script_enabled=False) as phone:
        phone.page.goto(sheet_code.address(bench.page, payload(bench.keys.current)))
        assert "JavaScript" in phone.page.inner_text("#verdict")
        assert "本物" not in phone.page.inner_text("body")


# -- the page itself


def test_an_address_or_a_payload_can_be_pasted(bench: Bench, phone: Phone) -> None:
    phone.open(bench.page)
    whole = sheet_code.address(bench.page, payload(bench.keys.current))
    for text in (whole, whole.rpartition("#")[2], f"  {whole}\n", whole):
        phone.page.click("#paste summary") if not phone.page.is_visible("#pasted") else None
        phone.page.fill("#pasted", text)
        phone.page.click("#form button")
        phone.page.wait_for_selector("#verdict[data-verdict=in-force]")
        assert phone.fields()["固有番号"] == IN_FORCE
        phone.turn_to("A") if text.startswith(" ") else None
    phone.page.fill("#pasted", "別の文字")
    phone.page.click("#form button")
    phone.page.wait_for_selector("#verdict[data-verdict=unreadable]")


@pytest.mark.parametrize(
    ("locale", "language"),
    [("ja-JP", "ja"), ("en-US", "en"), ("en-GB", "en"), ("vi-VN", "en"), ("ja", "ja")],
)
def test_the_browsers_language_comes_first(
    browser: Any, bench: Bench, locale: str, language: str
) -> None:
    with phone_of(browser, bench, locale) as phone:
        phone.check(payload(bench.keys.current))
        assert phone.page.get_attribute("html", "lang") == language
        assert phone.title() == {"ja": "本物で、有効です", "en": "Genuine and in force"}[language]


def test_the_language_is_switched_with_the_verdict_kept(bench: Bench, phone: Phone) -> None:
    phone.check(payload(bench.keys.current))
    phone.page.click("#language")
    assert phone.page.get_attribute("html", "lang") == "en"
    assert phone.title() == "Genuine and in force"
    assert phone.fields()["Name 氏名"] == "明石　太郎"
    assert phone.fields()["Certificate 証明書の種類"].split("\n") == [
        "住民票の写し",
        "Certificate of residence",
    ]
    phone.page.click("#language")
    assert phone.title() == "本物で、有効です"


def test_both_languages_say_everything(bench: Bench, phone: Phone) -> None:
    phone.open(bench.page)
    words = phone.page.evaluate("() => import('/v/words.js').then((words) => words.WORDS)")

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {name: shape(part) for name, part in value.items()}
        return len(value) if isinstance(value, list) else bool(value)

    assert shape(words["ja"]) == shape(words["en"])


# -- the two readers agree


def test_the_page_and_the_kiosk_read_the_same_out_of_a_code(bench: Bench, phone: Phone) -> None:
    rng = random.Random(20261124)
    texts = [any_text(rng, bench) for _ in range(6000)]
    phone.open(bench.page)
    script = """async (texts) => {
      const { payloadOf, split, decode, CodeError } = await import('/v/sheet_code.js');
      return texts.map((text) => {
        try { return decode(split(payloadOf(text))[0]); }
        catch (error) { if (error instanceof CodeError) return null; throw error; }
      });
    }"""
    theirs = phone.page.evaluate(script, texts)
    ours = [read(text) for text in texts]
    for text, mine, other in zip(texts, ours, theirs, strict=True):
        assert mine == other, text
    read_well = sum(value is not None for value in ours)
    assert 1000 < read_well < 5000


def any_text(rng: random.Random, bench: Bench) -> str:
    whole = payload(bench.keys.current, **values(rng))
    if rng.random() < 0.3:
        return sheet_code.address(bench.page, whole)
    if rng.random() < 0.4:
        return mangled(rng, whole)
    changed = bytearray(whole)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(60)] = rng.choice(
            (0, 1, 2, 5, 6, 7, 8, 0x7F, 0x80, 0xC3, 0xFF, rng.randrange(256))
        )
    return sheet_code.address("", bytes(changed))


def values(rng: random.Random) -> dict[str, Any]:
    pages = rng.randrange(1, 256)
    return {
        "city": f"{rng.randrange(1_000_000):06}",
        "day": date.fromordinal(date(2000, 1, 1).toordinal() + rng.randrange(65_536)),
        "kind": "".join(rng.choices("abcxyz0129.-", k=rng.randrange(1, 30))),
        "unique_number": "".join(rng.choices("0189ABYZ", k=rng.randrange(1, 17))),
        "page": rng.randrange(1, pages + 1),
        "pages": pages,
        "holder": "".join(
            rng.choices("明石　太郎\U000e0102𠮷éA\ufeff\u0000\u202e", k=rng.randrange(1, 40))
        ),
        "year": rng.choice((None, 0, 2026, 65_535)),
        "people": rng.choice((None, 0, 1, 255)),
        "whole": False,
        "digest": rng.randbytes(16),
    }


def read(text: str) -> dict[str, Any] | None:
    """As the page's reader tells it."""
    try:
        found = sheet_code.decode(sheet_code.split(sheet_code.payload_of(text))[0])
    except sheet_code.CodeError:
        return None
    told = msgspec.structs.asdict(found)
    told["uniqueNumber"] = told.pop("unique_number")
    told |= {"key": found.key.hex(), "digest": found.digest.hex(), "day": found.day.isoformat()}
    return told | {"whole": None if found.people is None else found.whole}
