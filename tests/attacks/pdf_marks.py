"""The marks of a page, every operator that paints, and each way to alter one of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pikepdf
from mutations import Impossible, Kind
from pikepdf import Array, Dictionary, Name, Operator, Pdf
from PIL import Image, ImageDraw, ImageFont

MM: Final = 72 / 25.4
SHOWN: Final = ("Tj", "TJ", "'", '"')
PAINTED: Final = ("S", "s", "f", "F", "f*", "B", "B*", "b", "b*")
PICTURE: Final = ("Do", "INLINE IMAGE")
GOTHIC: Final = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
INVALID: Final = "この証明書は無効です"

Matrix = tuple[float, float, float, float, float, float]
Ops = list[Any]


@dataclass(frozen=True)
class Mark:
    """One painting operator: its place in the stream, the `q` and `Q` around it, and where it
    paints, in points.
    """

    what: str  # text, path, picture
    at: int
    begin: int
    end: int
    matrix: Matrix


def operators(page: pikepdf.Page) -> Ops:
    return list(pikepdf.parse_content_stream(page))


def marks(ops: Ops) -> list[Mark]:
    """Every operator that paints, in the order of the stream."""
    found, open_, matrices = [], [], [(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)]
    text: Matrix = (1, 0, 0, 1, 0, 0)
    for at, op in enumerate(ops):
        name = str(op.operator)
        if name == "q":
            open_.append(at)
            matrices.append(matrices[-1])
        elif name == "Q":
            open_.pop()
            matrices.pop()
        elif name == "cm":
            matrices[-1] = _times(_numbers(op), matrices[-1])
        elif name == "BT":
            text = (1, 0, 0, 1, 0, 0)
        elif name == "Tm":
            text = _numbers(op)
        what = _what(op, name)
        if what:
            own = _times(text, matrices[-1]) if what == "text" else matrices[-1]
            begin = open_[-1] if open_ else at
            found.append(Mark(what, at, begin, _closing(ops, begin) if open_ else at, own))
    return found


def _what(op: Any, name: str) -> str:
    if name in SHOWN:
        return "text"
    if name in PAINTED:
        return "path"
    return "picture" if name in PICTURE or isinstance(op, pikepdf.ContentStreamInlineImage) else ""


def _closing(ops: Ops, begin: int) -> int:
    depth = 0
    for at in range(begin, len(ops)):
        depth += {"q": 1, "Q": -1}.get(str(ops[at].operator), 0)
        if depth == 0:
            return at
    return len(ops) - 1


def _numbers(op: Any) -> Matrix:
    return tuple(float(value) for value in op.operands)  # type: ignore[return-value]


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    g, h, i, j, k, l = other  # noqa: E741
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + l,
    )


def op(name: str, *operands: Any) -> pikepdf.ContentStreamInstruction:
    return pikepdf.ContentStreamInstruction(list(operands), Operator(name))


# -- one mark altered ------------------------------------------------------------------------------

Alter = Callable[[Ops, Mark, list[Mark], pikepdf.Page], Ops]


def mark_edit(page: int, what: str, number: int, alter: Alter) -> Callable[[bytes, bytes], bytes]:
    def apply(pdf: bytes, _: bytes) -> bytes:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            sheet = page_of(opened, page)
            ops = operators(sheet)
            found = marks(ops)
            alike = [mark for mark in found if mark.what == what]
            if number >= len(alike):
                raise Impossible
            write(opened, sheet, alter(ops, alike[number], found, sheet))
            return saved(opened)

    return apply


def page_of(opened: Pdf, page: int) -> pikepdf.Page:
    if page >= len(opened.pages):
        raise Impossible
    return opened.pages[page]


def write(opened: Pdf, page: pikepdf.Page, ops: Ops) -> None:
    page.Contents = opened.make_stream(pikepdf.unparse_content_stream(ops))


def saved(opened: Pdf, **how: Any) -> bytes:
    out = io.BytesIO()
    opened.save(out, **how)
    return out.getvalue()


def _removed(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
    return ops[: mark.begin] + ops[mark.end + 1 :]


def _doubled(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
    return ops[: mark.end + 1] + ops[mark.begin : mark.end + 1] + ops[mark.end + 1 :]


def _to_the_back(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
    """Painted before everything else: harmless where nothing covers it."""
    group = ops[mark.begin : mark.end + 1]
    return group + ops[: mark.begin] + ops[mark.end + 1 :]


def _wrapped(*before: tuple[Any, ...]) -> Alter:
    """The mark with operators in front of it that hold for it alone."""

    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        group = ops[mark.begin : mark.end + 1]
        front = [op("q"), *(op(*row) for row in before)]
        return ops[: mark.begin] + front + group + [op("Q")] + ops[mark.end + 1 :]

    return alter


def _moved(across: float, up: float) -> Alter:
    """In millimetres."""
    return _wrapped(("cm", 1, 0, 0, 1, across * MM, up * MM))


def _copied(across: float, up: float) -> Alter:
    """A second one beside the first."""

    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        group = ops[mark.begin : mark.end + 1]
        copy = [op("q"), op("cm", 1, 0, 0, 1, across * MM, up * MM), *group, op("Q")]
        return ops[: mark.end + 1] + copy + ops[mark.end + 1 :]

    return alter


def _scaled(across: float, up: float) -> Alter:
    """About its own place."""

    def alter(ops: Ops, mark: Mark, found: list[Mark], page: pikepdf.Page) -> Ops:
        x, y = mark.matrix[4], mark.matrix[5]
        return _wrapped(("cm", across, 0, 0, up, x * (1 - across), y * (1 - up)))(
            ops, mark, found, page
        )

    return alter


def _slanted(b: float, c: float) -> Alter:
    def alter(ops: Ops, mark: Mark, found: list[Mark], page: pikepdf.Page) -> Ops:
        x, y = mark.matrix[4], mark.matrix[5]
        return _wrapped(("cm", 1, b, c, 1, -c * y, -b * x))(ops, mark, found, page)

    return alter


def _just_before(*before: tuple[Any, ...]) -> Alter:
    """State that is set between the mark's own and the operator that paints it."""

    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        return ops[: mark.at] + [op(*row) for row in before] + ops[mark.at :]

    return alter


def _transparent(opacity: float, mode: str = "/Normal") -> Alter:
    def alter(ops: Ops, mark: Mark, found: list[Mark], page: pikepdf.Page) -> Ops:
        states = page.Resources.get("/ExtGState", Dictionary())
        states["/Faint"] = Dictionary(Type=Name.ExtGState, ca=opacity, CA=opacity, BM=Name(mode))
        page.Resources["/ExtGState"] = states
        return _just_before(("gs", Name("/Faint")))(ops, mark, found, page)

    return alter


def _marked(how: str) -> Alter:
    """Marked content around it: a text of its own, or a name."""
    properties = Dictionary(ActualText="別府　一郎") if how == "Span" else Dictionary()

    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        group = ops[mark.begin : mark.end + 1]
        front, back = op("BDC", Name(f"/{how}"), properties), op("EMC")
        return [*ops[: mark.begin], front, *group, back, *ops[mark.end + 1 :]]

    return alter


def codes_of(ops: Ops, mark: Mark) -> bytes:
    """The glyph numbers of a text, two bytes each."""
    shown = ops[mark.at].operands[0]
    parts = shown if str(ops[mark.at].operator) == "TJ" else [shown]
    return b"".join(bytes(part) for part in parts if isinstance(part, pikepdf.String))


def _with_codes(ops: Ops, mark: Mark, codes: bytes) -> Ops:
    return [*ops[: mark.at], op("Tj", pikepdf.String(codes)), *ops[mark.at + 1 :]]


def _text_codes(make: Callable[[bytes, bytes], bytes]) -> Alter:
    """The glyphs of this text become others of the page; `make` gets its own and those of the next
    text.
    """

    def alter(ops: Ops, mark: Mark, found: list[Mark], _: pikepdf.Page) -> Ops:
        texts = [other for other in found if other.what == "text"]
        after = texts[(texts.index(mark) + 1) % len(texts)]
        own = codes_of(ops, mark)
        codes = make(own, codes_of(ops, after))
        if codes == own or not own:
            raise Impossible
        return _with_codes(ops, mark, codes)

    return alter


def _exchanged(ops: Ops, mark: Mark, found: list[Mark], _: pikepdf.Page) -> Ops:
    """This text and the next one in each other's place."""
    alike = [other for other in found if other.what == mark.what]
    after = alike[(alike.index(mark) + 1) % len(alike)]
    one, other = ops[mark.at], ops[after.at]
    if bytes(pikepdf.unparse_content_stream([one])) == bytes(
        pikepdf.unparse_content_stream([other])
    ):
        raise Impossible
    made = list(ops)
    made[mark.at], made[after.at] = other, one
    return made


def _covered(colour: float, height: float = 12.0, lift: float = -3.0) -> Alter:
    """A filled rectangle painted over it."""

    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        x, y = mark.matrix[4], mark.matrix[5]
        return [*ops, op("q"), op("g", colour), op("re", x, y + lift, 40, height), op("f"), op("Q")]

    return alter


def _struck(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
    """A line through it."""
    x, y = mark.matrix[4], mark.matrix[5] + 3
    line = [op("m", x, y), op("l", x + 60, y), op("S")]
    return [*ops, op("q"), op("w", 0.9), op("G", 0), *line, op("Q")]


def _operator(name: str) -> Alter:
    def alter(ops: Ops, mark: Mark, _: list[Mark], __: pikepdf.Page) -> Ops:
        if str(ops[mark.at].operator) == name:
            raise Impossible
        return [*ops[: mark.at], op(name), *ops[mark.at + 1 :]]

    return alter


def _other_dots(make: Callable[[Image.Image], Image.Image]) -> Alter:
    """The same picture object with other dots."""

    def alter(ops: Ops, mark: Mark, _: list[Mark], page: pikepdf.Page) -> Ops:
        name = str(ops[mark.at].operands[0])
        drawn = page.Resources.XObject[name]
        changed = make(pikepdf.PdfImage(drawn).as_pil_image().convert("L"))
        drawn.write(changed.tobytes())
        drawn.Width, drawn.Height = changed.size
        drawn.ColorSpace, drawn.BitsPerComponent = Name.DeviceGray, 8
        for key in ("/DecodeParms", "/Decode", "/SMask"):
            if key in drawn:
                del drawn[key]
        return ops

    return alter


def _blotted(image: Image.Image) -> Image.Image:
    """One stroke more."""
    made = image.copy()
    width, height = made.size
    ImageDraw.Draw(made).line(
        (width * 0.3, height * 0.3, width * 0.7, height * 0.4), fill=0, width=4
    )
    return made


Way = tuple[str, Kind, Alter]
ANY: Final[tuple[Way, ...]] = (
    ("removed", Kind.DROP, _removed),
    ("painted twice", Kind.DOUBLE, _doubled),
    ("painted before everything", Kind.ALTER, _to_the_back),
    ("moved by 0.3 mm", Kind.ALTER, _moved(0.3, 0)),
    ("moved by 2 mm", Kind.ALTER, _moved(2, 0)),
    ("moved down by a line", Kind.ALTER, _moved(0, -5.5)),
    ("moved off the page", Kind.ALTER, _moved(0, 320)),
    ("moved into the margin", Kind.ALTER, _moved(-12, 0)),
    ("again 1 mm below", Kind.DOUBLE, _copied(0, -1)),
    ("again off the page", Kind.DOUBLE, _copied(400, 0)),
    ("again in the place of the code", Kind.DOUBLE, _copied(80, -60)),
    ("larger by a tenth", Kind.ALTER, _scaled(1.1, 1.1)),
    ("half as large", Kind.ALTER, _scaled(0.5, 0.5)),
    ("of no size", Kind.ALTER, _scaled(0.0001, 0.0001)),
    ("stretched", Kind.ALTER, _scaled(1.15, 1)),
    ("mirrored", Kind.ALTER, _scaled(-1, 1)),
    ("slanted", Kind.ALTER, _slanted(0, 0.2)),
    ("turned a little", Kind.ALTER, _slanted(0.05, -0.05)),
    ("almost transparent", Kind.ALTER, _transparent(0.02)),
    ("transparent", Kind.ALTER, _transparent(0)),
    ("half transparent", Kind.ALTER, _transparent(0.5)),
    ("blended away", Kind.ALTER, _transparent(1, "/Screen")),
    ("clipped away", Kind.ALTER, _wrapped(("re", 0, 0, 1, 1), ("W",), ("n",))),
    ("half clipped away", Kind.ALTER, _wrapped(("re", 0, 0, 200, 900), ("W",), ("n",))),
    ("covered with white", Kind.INSERT, _covered(1)),
    ("covered with black", Kind.INSERT, _covered(0)),
    ("marked with a text of its own", Kind.INSERT, _marked("Span")),
    ("marked as an artifact", Kind.INSERT, _marked("Artifact")),
    ("marked as of a layer", Kind.INSERT, _marked("OC")),
)
WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "text": (
        *ANY,
        ("white", Kind.ALTER, _just_before(("g", 1))),
        ("almost white", Kind.ALTER, _just_before(("g", 0.97))),
        ("grey", Kind.ALTER, _just_before(("g", 0.5))),
        ("red", Kind.ALTER, _just_before(("rg", 1, 0, 0))),
        ("invisible (Tr 3)", Kind.ALTER, _just_before(("Tr", 3))),
        ("as an outline (Tr 1)", Kind.ALTER, _just_before(("Tr", 1))),
        ("filled and stroked (Tr 2)", Kind.ALTER, _just_before(("Tr", 2))),
        ("as a clip path (Tr 7)", Kind.ALTER, _just_before(("Tr", 7))),
        ("raised", Kind.ALTER, _just_before(("Ts", 2))),
        ("spaced", Kind.ALTER, _just_before(("Tc", 1.5))),
        ("tightened", Kind.ALTER, _just_before(("Tc", -6))),
        ("narrowed (Tz)", Kind.ALTER, _just_before(("Tz", 80))),
        (
            ("its first two glyphs exchanged"),
            Kind.EXCHANGE,
            _text_codes(lambda own, _: own[2:4] + own[:2] + own[4:]),
        ),
        (
            "its glyphs in reverse",
            Kind.EXCHANGE,
            _text_codes(
                lambda own, _: b"".join(own[at : at + 2] for at in range(len(own) - 2, -1, -2))
            ),
        ),
        ("the glyphs of the next text", Kind.EXCHANGE, _text_codes(lambda _, other: other)),
        ("its first glyph missing", Kind.DROP, _text_codes(lambda own, _: own[2:])),
        ("its last glyph missing", Kind.DROP, _text_codes(lambda own, _: own[:-2])),
        ("its last glyph twice", Kind.DOUBLE, _text_codes(lambda own, _: own + own[-2:])),
        (
            ("its first glyph another"),
            Kind.ALTER,
            _text_codes(lambda own, other: other[:2] + own[2:]),
        ),
        ("a glyph that is not there", Kind.ALTER, _text_codes(lambda own, _: own + b"\xff\xf0")),
        ("the empty glyph behind it", Kind.INSERT, _text_codes(lambda own, _: own + b"\0\0")),
        ("exchanged with the next text", Kind.EXCHANGE, _exchanged),
        ("a line through it", Kind.INSERT, _struck),
    ),
    "path": (
        *ANY,
        ("white", Kind.ALTER, _just_before(("G", 1), ("g", 1))),
        ("grey", Kind.ALTER, _just_before(("G", 0.7))),
        ("thicker", Kind.ALTER, _just_before(("w", 1.8))),
        ("much thicker", Kind.ALTER, _just_before(("w", 20))),
        ("hair-thin", Kind.ALTER, _just_before(("w", 0.01))),
        ("dashed", Kind.ALTER, _just_before(("d", Array([2, 2]), 0))),
        ("round-ended", Kind.ALTER, _just_before(("J", 1))),
        ("filled", Kind.ALTER, _operator("f")),
        ("filled and stroked", Kind.ALTER, _operator("B")),
        ("not painted", Kind.DROP, _operator("n")),
    ),
    "picture": (
        *ANY,
        ("white instead", Kind.ALTER, _other_dots(lambda image: Image.new("L", image.size, 255))),
        ("turned about", Kind.ALTER, _other_dots(lambda image: image.rotate(180))),
        ("one stroke more", Kind.ALTER, _other_dots(_blotted)),
        ("a picture of text", Kind.EXCHANGE, _other_dots(lambda image: lettering(image.size))),
        ("fewer dots", Kind.ALTER, _other_dots(lambda image: image.resize((40, 40)))),
    ),
}


def lettering(size: tuple[int, int], text: str = INVALID) -> Image.Image:
    """A picture that shows words."""
    image = Image.new("L", size, 255)
    font = ImageFont.truetype(GOTHIC, max(8, size[0] // len(text)))
    ImageDraw.Draw(image).text((2, size[1] // 3), text, fill=0, font=font)
    return image
