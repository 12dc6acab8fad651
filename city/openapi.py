"""The gateway's own description: OpenAPI 3.1, made from the types both ends use. `kiosk city
openapi` prints it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import msgspec

from city.paths import ANY, PATHS, Path
from firmware.link import messages
from firmware.link.form_terms import FormTerms
from firmware.link.refusals import STATUS

REFS: Final = "#/components/schemas/{name}"
INSIDE: Final = (messages.Manifest, FormTerms)  # signed bytes in a message are JSON of these
# What JSON Schema's regular expressions (ECMA 262) write otherwise than Python's.
END: Final = ("\\Z", "$")


def document() -> dict[str, Any]:
    """As plain data, ready for JSON."""
    kinds = [kind for path in PATHS.values() for kind in (path.request, path.answer)]
    _, schemas = msgspec.json.schema_components(
        [*kinds, messages.Refusal, *INSIDE], ref_template=REFS
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The line between kiosk and city",
            "version": str(messages.PROTOCOL),
            "description": (
                "HTTP/1.1 over TLS 1.3 with certificates on both sides. See docs/line.md."
            ),
        },
        "paths": {
            f"/v{messages.PROTOCOL}/{name}": {"post": _operation(name, path)}
            for name, path in PATHS.items()
        }
        | {f"/v{messages.PROTOCOL}/openapi.json": {"get": _itself()}},
        "components": {
            "schemas": _ecma(schemas),
            "securitySchemes": {
                "kiosk": {"type": "mutualTLS", "description": "A certificate of the kiosk CA."}
            },
        },
        "security": [{"kiosk": []}],
    }


def _operation(name: str, path: Path) -> dict[str, Any]:
    codes: dict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys((*ANY, *path.refuses)):
        codes[STATUS[code]].append(code.value)
    refusals = {
        str(s): _body(messages.Refusal, "`" + "`, `".join(c) + "`")
        for s, c in sorted(codes.items())
    }
    return {
        "operationId": name,
        "summary": path.summary,
        "requestBody": {"required": True, "content": _content(path.request)},
        "responses": {"200": _body(path.answer, path.answer.__name__), **refusals},
    }


def _itself() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "responses": {
            "200": {
                "description": "OpenAPI 3.1",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **{
                str(status): _body(messages.Refusal, "as everywhere")
                for status in (400, 403, 500, 503)
            },
        },
    }


def _body(kind: type[messages.Message], description: str) -> dict[str, Any]:
    return {"description": description, "content": _content(kind)}


def _content(kind: type[messages.Message]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFS.format(name=kind.__name__)}}}


def _ecma(value: Any) -> Any:
    """The same schemas with patterns that every JSON Schema validator reads."""
    if isinstance(value, dict):
        return {
            k: v.replace(*END) if k == "pattern" and isinstance(v, str) else _ecma(v)
            for k, v in value.items()
        }
    return [_ecma(item) for item in value] if isinstance(value, list | tuple) else value
