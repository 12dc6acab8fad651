"""What is published: a page, JSON, CSV, and the list of their hashes with its signature."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from city import signed_files
from city.municipality import Municipality
from city.transparency.figures import Figure, Month
from city.transparency.inspections import SHOWN, Inspection
from city.transparency.words import Pair, table, words

SUMS: Final = "SHA256SUMS"
PUBLIC: Final = "records-public.pem"
KIND: Final = "madoguchi transparency v1"
COLUMNS: Final = ("month", "group", "what", "count", "hidden", "ja", "en")


@dataclass(frozen=True)
class Publication:
    """All that is published at once. `builds`: how many kiosks said last that they are it."""

    city: Municipality
    made: date
    months: Sequence[Month]
    builds: Mapping[str, int]
    inspections: Sequence[Inspection]


def write(folder: Path, what: Publication, key: Ed25519PrivateKey) -> list[str]:
    """The names of the files, in `folder`, which is made. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "index.html": html(what).encode(),
        "figures.json": as_json(what),
        "figures.csv": as_csv(what).encode("utf-8-sig"),  # for a spreadsheet
        PUBLIC: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        **{each.name: each.content for each in what.inspections},
    }
    for name, content in files.items():
        signed_files.write(folder / name, content)
    lines = [f"# {KIND} {what.city.code} {what.made}"]
    lines += [f"{signed_files.sha256_of(folder / name)}  {name}" for name in sorted(files)]
    signed_files.write(folder / SUMS, ("\n".join(lines) + "\n").encode())
    signed_files.sign(folder / SUMS, key)
    return [*sorted(files), SUMS, signed_files.signature_of(folder / SUMS).name]


def as_json(what: Publication) -> bytes:
    """Also for programs: `count` is null where it is hidden."""
    value = {
        "kind": KIND,
        "city": {"code": what.city.code, "name": what.city.name},
        "made": what.made,
        "months": what.months,
        "builds": what.builds,
        "inspections": [
            {"file": each.name, **dict(zip(SHOWN, each.values, strict=True))}
            for each in what.inspections
        ],
    }
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic")) + b"\n"


def as_csv(what: Publication) -> str:
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(COLUMNS)
    for month in what.months:
        for group, figures in month.groups().items():
            for each in figures:
                shown = "" if each.count is None else each.count
                hidden = "yes" if each.count is None else "no"
                pair = words(month, group, each.what)
                out.writerow((month.month, group, each.what, shown, hidden, *pair))
    return text.getvalue()


def html(what: Publication) -> str:
    environment = Environment(
        loader=PackageLoader("city"), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    return environment.get_template("transparency.html").render(
        city=_pair(what.city.name),
        contact=_pair(what.city.transparency.contact) if what.city.transparency else None,
        made=what.made,
        months=[_month(month) for month in reversed(what.months)],
        builds=sorted(what.builds.items()),
        heads=list(SHOWN.items()),
        inspections=what.inspections,
        sums=SUMS,
        public=PUBLIC,
    )


def _month(month: Month) -> dict[str, Any]:
    year, number = map(int, month.month.split("-"))
    return {
        "id": f"m{month.month}",
        "ja": f"{year}年{number}月",
        "en": date(year, number, 1).strftime("%B %Y"),
        "below": month.hidden_below,
        "groups": [
            {"name": name, "words": table()["groups"][name], "rows": list(_rows(month, name, rows))}
            for name, rows in month.groups().items()
        ],
    }


def _rows(month: Month, group: str, figures: Sequence[Figure]) -> Iterator[tuple[Pair, int | None]]:
    for each in figures:
        yield words(month, group, each.what), each.count


def _pair(names: Mapping[str, str]) -> Pair:
    return names["ja"], names.get("en", names["ja"])
