"""What can be added to a page of a PDF, or done to all of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import pikepdf
from mutations import Impossible, Kind
from pdf_marks import (
    INVALID,
    MM,
    Ops,
    codes_of,
    lettering,
    marks,
    op,
    operators,
    page_of,
    saved,
    write,
)
from pikepdf import Array, Dictionary, Name, Pdf
from PIL import Image

Add = Callable[[Pdf, pikepdf.Page, Pdf], None]


def page_edit(page: int, add: Add) -> Callable[[bytes, bytes], bytes]:
    def apply(pdf: bytes, other: bytes) -> bytes:
        with pikepdf.open(io.BytesIO(pdf)) as opened, pikepdf.open(io.BytesIO(other)) as theirs:
            add(opened, page_of(opened, page), theirs)
            return saved(opened)

    return apply


def _own_text(page: pikepdf.Page, x: float, y: float, size: float, *state: tuple[Any, ...]) -> Ops:
    """Words of this very page, with its own font, once more at a place in millimetres from the
    lower left.
    """
    ops = operators(page)
    longest = max(
        (m for m in marks(ops) if m.what == "text"),
        key=lambda m: len(codes_of(ops, m)),
        default=None,
    )
    if longest is None:
        raise Impossible
    font = next(str(o.operands[0]) for o in reversed(ops[: longest.at]) if str(o.operator) == "Tf")
    shown = [
        op("Tf", Name(font), size),
        op("Tm", 1, 0, 0, 1, x * MM, y * MM),
        *(op(*row) for row in state),
    ]
    return [
        op("q"),
        op("g", 0),
        op("BT"),
        *shown,
        op("Tj", pikepdf.String(codes_of(ops, longest))),
        op("ET"),
        op("Q"),
    ]


def _text_added(
    x: float, y: float, size: float, *state: tuple[Any, ...], under: bool = False
) -> Add:
    def add(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
        more = _own_text(page, x, y, size, *state)
        write(opened, page, more + operators(page) if under else operators(page) + more)

    return add


def drawn(*rows: tuple[Any, ...], under: bool = False) -> Add:
    def add(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
        more = [op("q"), *(op(*row) for row in rows), op("Q")]
        write(opened, page, more + operators(page) if under else operators(page) + more)

    return add


def _resource(page: pikepdf.Page, kind: str, name: str, value: Any) -> None:
    table = page.Resources.get(kind, Dictionary())
    table[name] = value
    page.Resources[kind] = table


def _foreign_font(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    _resource(
        page,
        "/Font",
        "/Other",
        Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica),
    )
    rows = [
        ("BT",),
        ("Tf", Name("/Other"), 10),
        ("Td", 20 * MM, 70 * MM),
        ("Tj", pikepdf.String("INVALID")),
        ("ET",),
    ]
    drawn(*rows)(opened, page, _)


def _type3_font(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    """A font whose letters are drawings of the file."""
    drawing = opened.make_stream(b"1000 0 0 0 750 750 d1 0 0 750 750 re f")
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.Type3,
        FontBBox=[0, 0, 750, 750],
        FontMatrix=[0.001, 0, 0, 0.001, 0, 0],
        CharProcs=Dictionary(square=drawing),
        FirstChar=97,
        LastChar=97,
        Widths=[1000],
        Encoding=Dictionary(Type=Name.Encoding, Differences=[97, Name.square]),
    )
    _resource(page, "/Font", "/Other", opened.make_indirect(font))
    rows = [
        ("BT",),
        ("Tf", Name("/Other"), 10),
        ("Td", 20 * MM, 70 * MM),
        ("Tj", pikepdf.String("aaa")),
        ("ET",),
    ]
    drawn(*rows)(opened, page, _)


def picture(x: float, y: float, wide: float, high: float, image: Image.Image, **more: Any) -> Add:
    def add(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
        dots = opened.make_stream(image.tobytes())
        dots.Type, dots.Subtype, dots.ColorSpace = Name.XObject, Name.Image, Name.DeviceGray
        dots.Width, dots.Height, dots.BitsPerComponent = *image.size, 8
        for key, value in more.items():
            dots[f"/{key}"] = value
        _resource(page, "/XObject", "/Added", dots)
        drawn(("cm", wide * MM, 0, 0, high * MM, x * MM, y * MM), ("Do", Name("/Added")))(
            opened, page, _
        )

    return add


def _inline_picture(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    more = b"\nq 60 0 0 20 60 180 cm BI /W 2 /H 2 /BPC 8 /CS /G ID \0\xff\xff\0 EI Q\n"
    page.Contents = opened.make_stream(pikepdf.unparse_content_stream(operators(page)) + more)


def _form(
    rows: Sequence[tuple[Any, ...]] = (), *, own_text: bool = False, group: bool = False
) -> Add:
    """A form XObject: a drawing in the drawing."""

    def add(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
        inner = _own_text(page, 30, 90, 9) if own_text else [op(*row) for row in rows]
        form = opened.make_stream(pikepdf.unparse_content_stream(inner))
        form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 600, 850])
        form.Resources = page.Resources
        if group:
            form.Group = Dictionary(S=Name.Transparency, I=True, K=True)
        _resource(page, "/XObject", "/Added", form)
        drawn(("Do", Name("/Added")))(opened, page, _)

    return add


def _everything_in_a_form(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    """The whole page as one form: it looks as before."""
    form = opened.make_stream(pikepdf.unparse_content_stream(operators(page)))
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 600, 850])
    form.Resources = opened.make_indirect(Dictionary(page.Resources))
    page.Resources = Dictionary(XObject=Dictionary(All=form))
    write(opened, page, [op("Do", Name("/All"))])


def _page_of_another(opened: Pdf, page: pikepdf.Page, theirs: Pdf) -> None:
    at = opened.pages.index(page)
    opened.pages[at] = theirs.pages[0]


def _under_it_another(opened: Pdf, page: pikepdf.Page, theirs: Pdf) -> None:
    page.add_underlay(theirs.pages[0])


def _over_it_another(opened: Pdf, page: pikepdf.Page, theirs: Pdf) -> None:
    page.add_overlay(theirs.pages[0])


def _annotated(subtype: str, **more: Any) -> Add:
    def add(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
        note = Dictionary(
            Type=Name.Annot, Subtype=Name(f"/{subtype}"), Rect=[60, 500, 260, 540], **more
        )
        page.Annots = Array([opened.make_indirect(note)])

    return add


def _drawn_annotation(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    look = opened.make_stream(b"1 g 0 0 200 40 re f")
    look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 200, 40])
    _annotated("Stamp", F=4, AP=Dictionary(N=look))(opened, page, _)


def _form_field(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    field_ = opened.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            T="a",
            V="別府",
            Rect=[60, 500, 260, 540],
            F=4,
        )
    )
    page.Annots = Array([field_])
    opened.Root.AcroForm = Dictionary(Fields=[field_], NeedAppearances=True)


def _box_set(key: str, value: Sequence[float]) -> Add:
    def add(_: Pdf, page: pikepdf.Page, __: Pdf) -> None:
        page.obj[key] = Array([*value])

    return add


def _set(key: str, value: Any) -> Add:
    def add(_: Pdf, page: pikepdf.Page, __: Pdf) -> None:
        page.obj[key] = value

    return add


def _shading(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    tint = Dictionary(FunctionType=2, Domain=[0, 1], C0=[1], C1=[0], N=1)
    shade = Dictionary(
        ShadingType=2, ColorSpace=Name.DeviceGray, Coords=[0, 0, 600, 0], Function=tint
    )
    _resource(page, "/Shading", "/Shade", shade)
    drawn(("re", 60, 200, 100, 20), ("W",), ("n",), ("sh", Name("/Shade")))(opened, page, _)


def _tight_codes(opened: Pdf, page: pikepdf.Page, _: Pdf) -> None:
    """The stream in many pieces: harmless."""
    parts = [
        opened.make_stream(pikepdf.unparse_content_stream([o]) + b"\n") for o in operators(page)
    ]
    page.Contents = Array(parts)


Added = tuple[str, Kind, Add]
BLACK: Final = Image.new("L", (8, 8), 0)
ADDED: Final[tuple[Added, ...]] = (
    ("words of its own in the left margin", Kind.INSERT, _text_added(3, 150, 8)),
    ("words of its own in the upper margin", Kind.INSERT, _text_added(30, 291, 8)),
    ("words of its own at the foot", Kind.INSERT, _text_added(15, 5, 8)),
    ("words of its own in the free space", Kind.INSERT, _text_added(20, 75, 9)),
    ("words of its own in the footer", Kind.INSERT, _text_added(16, 12, 8)),
    ("words of its own in the place of the code", Kind.INSERT, _text_added(158, 30, 8)),
    ("words of its own, white", Kind.INSERT, _text_added(20, 75, 9, ("g", 1))),
    ("words of its own, invisible", Kind.INSERT, _text_added(20, 75, 9, ("Tr", 3))),
    ("words of its own of size 0", Kind.INSERT, _text_added(20, 75, 0)),
    ("words of its own of size 0.01", Kind.INSERT, _text_added(20, 75, 0.01)),
    ("words of its own of size 1", Kind.INSERT, _text_added(20, 75, 1)),
    ("words of its own off the page", Kind.INSERT, _text_added(400, 75, 9)),
    ("words of its own below the page", Kind.INSERT, _text_added(20, -90, 9)),
    ("words of its own under the others", Kind.INSERT, _text_added(15.5, 245, 9, under=True)),
    (
        "words of its own upside down",
        Kind.INSERT,
        _text_added(20, 75, 9, ("Tm", -1, 0, 0, -1, 400, 200)),
    ),
    (
        "words of its own clipping the rest",
        Kind.INSERT,
        _text_added(20, 75, 9, ("Tr", 7), under=True),
    ),
    ("a font that is not embedded", Kind.INSERT, _foreign_font),
    ("a font of drawings", Kind.INSERT, _type3_font),
    ("a white rectangle over all", Kind.INSERT, drawn(("g", 1), ("re", 0, 0, 600, 850), ("f",))),
    (
        "a white rectangle over the boxes",
        Kind.INSERT,
        drawn(("g", 1), ("re", 40, 600, 500, 60), ("f",)),
    ),
    (
        "a white rectangle over the statement",
        Kind.INSERT,
        drawn(("g", 1), ("re", 40, 160, 500, 25), ("f",)),
    ),
    (
        "a white rectangle under all",
        Kind.INSERT,
        drawn(("g", 1), ("re", 0, 0, 600, 850), ("f",), under=True),
    ),
    ("a grey ground", Kind.INSERT, drawn(("g", 0.9), ("re", 0, 0, 600, 850), ("f",), under=True)),
    ("a black square", Kind.INSERT, drawn(("g", 0), ("re", 60, 200, 8, 8), ("f",))),
    (
        "a thick white line",
        Kind.INSERT,
        drawn(("G", 1), ("w", 15), ("m", 40, 640), ("l", 540, 640), ("S",)),
    ),
    ("a thin line", Kind.INSERT, drawn(("w", 0.3), ("m", 50, 220), ("l", 300, 220), ("S",))),
    ("a slanted line", Kind.INSERT, drawn(("w", 1), ("m", 50, 220), ("l", 540, 700), ("S",))),
    (
        "a line beside a box's border",
        Kind.INSERT,
        drawn(("w", 0.5), ("m", 42.8, 300), ("l", 42.8, 690), ("S",)),
    ),
    (
        "a line of no length",
        Kind.INSERT,
        drawn(("w", 1.9), ("J", 1), ("m", 100, 220), ("l", 100, 220), ("S",)),
    ),
    (
        "a curve",
        Kind.INSERT,
        drawn(("w", 1), ("m", 60, 200), ("c", 90, 260, 120, 140, 160, 200), ("S",)),
    ),
    ("an empty box", Kind.INSERT, drawn(("w", 0.9), ("re", 60, 215, 100, 20), ("S",))),
    ("a box off the page", Kind.INSERT, drawn(("w", 0.9), ("re", 700, 215, 100, 20), ("S",))),
    (
        "a path with two parts",
        Kind.INSERT,
        drawn(("w", 1), ("m", 60, 200), ("l", 90, 200), ("m", 100, 200), ("l", 130, 200), ("S",)),
    ),
    (
        "a clip path that cuts all but the heading",
        Kind.INSERT,
        lambda opened, page, _: write(
            opened, page, [op("re", 0, 700, 600, 150), op("W"), op("n"), *operators(page)]
        ),
    ),
    (
        "a clip path that cuts nothing",
        Kind.INSERT,
        lambda opened, page, _: write(
            opened, page, [op("re", -9, -9, 900, 900), op("W"), op("n"), *operators(page)]
        ),
    ),
    (
        "everything smaller",
        Kind.ALTER,
        lambda opened, page, _: write(
            opened, page, [op("cm", 0.98, 0, 0, 0.98, 6, 8), *operators(page)]
        ),
    ),
    (
        "everything moved by 1 mm",
        Kind.ALTER,
        lambda opened, page, _: write(
            opened, page, [op("cm", 1, 0, 0, 1, MM, 0), *operators(page)]
        ),
    ),
    (
        "everything in white",
        Kind.ALTER,
        lambda opened, page, _: write(
            opened,
            page,
            [o for o in operators(page) if str(o.operator) not in ("scn", "cs", "g", "rg")]
            + [op("g", 1)],
        ),
    ),
    ("nothing left", Kind.DROP, lambda opened, page, _: write(opened, page, [])),
    ("a picture of text", Kind.INSERT, picture(20, 75, 80, 10, lettering((400, 50)))),
    (
        "a picture of text as small as a dot",
        Kind.INSERT,
        picture(20, 75, 0.1, 0.1, lettering((400, 50))),
    ),
    ("a picture of text off the page", Kind.INSERT, picture(400, 75, 80, 10, lettering((400, 50)))),
    ("a white picture", Kind.INSERT, picture(20, 60, 150, 30, Image.new("L", (8, 8), 255))),
    (
        "a picture over everything",
        Kind.INSERT,
        picture(0, 0, 210, 297, Image.new("L", (8, 8), 255)),
    ),
    ("a second imprint", Kind.INSERT, picture(120, 200, 18, 18, lettering((200, 200), "別府"))),
    (
        "a picture as a stencil",
        Kind.INSERT,
        picture(20, 75, 20, 20, BLACK, ImageMask=True, BitsPerComponent=1, Decode=Array([0, 1])),
    ),
    ("an inline picture", Kind.INSERT, _inline_picture),
    ("a shading", Kind.INSERT, _shading),
    ("a form with text", Kind.INSERT, _form(own_text=True)),
    (
        "a form with a white rectangle",
        Kind.INSERT,
        _form((("g", 1), ("re", 40, 600, 500, 60), ("f",)), group=True),
    ),
    ("an empty form", Kind.INSERT, _form()),
    ("the whole page as a form", Kind.ALTER, _everything_in_a_form),
    ("another's page instead", Kind.EXCHANGE, _page_of_another),
    ("another's page under it", Kind.INSERT, _under_it_another),
    ("another's page over it", Kind.INSERT, _over_it_another),
    ("a note", Kind.INSERT, _annotated("Text", Contents=INVALID)),
    (
        "a link",
        Kind.INSERT,
        _annotated("Link", A=Dictionary(S=Name.URI, URI="https://example.org/")),
    ),
    ("free text", Kind.INSERT, _annotated("FreeText", Contents=INVALID, DA="/Helv 12 Tf 0 g", F=4)),
    ("a stamp that paints white", Kind.INSERT, _drawn_annotation),
    ("a field of a form", Kind.INSERT, _form_field),
    ("letter paper", Kind.ALTER, _box_set("/MediaBox", (0, 0, 612, 792))),
    ("A5 paper", Kind.ALTER, _box_set("/MediaBox", (0, 0, 420, 595))),
    ("a page of ten metres", Kind.ALTER, _box_set("/MediaBox", (0, 0, 28346, 28346))),
    ("the paper moved by 5 mm", Kind.ALTER, _box_set("/MediaBox", (-14, 0, 581.28, 841.89))),
    ("cropped", Kind.ALTER, _box_set("/CropBox", (0, 200, 595.28, 841.89))),
    ("cropped to the same size elsewhere", Kind.ALTER, _box_set("/CropBox", (0, 0, 595.28, 841.5))),
    ("turned by a quarter", Kind.ALTER, _set("/Rotate", 90)),
    ("upside down", Kind.ALTER, _set("/Rotate", 180)),
    ("a user unit of 2", Kind.ALTER, _set("/UserUnit", 2)),
    (
        "an action when it is opened",
        Kind.INSERT,
        _set("/AA", Dictionary(O=Dictionary(S=Name.JavaScript, JS="app.alert(1)"))),
    ),
    ("its stream in many pieces", Kind.ALTER, _tight_codes),
)
