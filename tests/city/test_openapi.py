"""Description and types say the same; every size on the line has an end; schemathesis finds
nothing.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from city_bench import HELLO, Rehearsal
from msgspec import inspect as types
from test_gateway import context, post

from city import openapi
from city.paths import ANY, PATHS
from firmware.link import messages
from firmware.link.form_terms import FormTerms
from firmware.link.refusals import STATUS, RefusalCode

DOCUMENT = openapi.document()
KINDS = {kind for path in PATHS.values() for kind in (path.request, path.answer)} | {
    messages.Refusal,
    messages.Manifest,
    FormTerms,
}


def schema(kind: type[messages.Message]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}", "components": DOCUMENT["components"]}


# -- the document and the types --------------------------------------------------------------------


def test_every_path_of_the_gateway_and_no_other() -> None:
    assert set(DOCUMENT["paths"]) == {f"/v2/{name}" for name in (*PATHS, "openapi.json")}
    for name, path in PATHS.items():
        operation = DOCUMENT["paths"][f"/v2/{name}"]["post"]
        bodies = [operation["requestBody"], operation["responses"]["200"]]
        refs = [
            body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            for body in bodies
        ]
        assert refs == [path.request.__name__, path.answer.__name__]


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda k: k.__name__))
def test_every_field_is_described_and_nothing_else_is(kind: type[messages.Message]) -> None:
    described = DOCUMENT["components"]["schemas"][kind.__name__]
    fields = msgspec.structs.fields(kind)
    assert set(described["properties"]) == {field.encode_name for field in fields}
    assert set(described.get("required", ())) == {
        field.encode_name for field in fields if field.required
    }
    assert described["additionalProperties"] is False


def test_every_refusal_is_described_where_it_can_come_and_has_a_status() -> None:
    assert set(STATUS) == set(RefusalCode)
    assert {code for path in PATHS.values() for code in (*ANY, *path.refuses)} == set(RefusalCode)
    for name, path in PATHS.items():
        responses = DOCUMENT["paths"][f"/v2/{name}"]["post"]["responses"]
        for code in (*ANY, *path.refuses):
            assert f"`{code.value}`" in responses[str(STATUS[code])]["description"], (name, code)


def bounded(kind: types.Type, where: str) -> Iterator[str]:
    """Places of a type that have no end."""
    match kind:
        case types.StrType():
            if kind.max_length is None and not (kind.pattern or "").endswith(
                "}\\Z"
            ):  # {32}: as long as it says
                yield where
        case types.BytesType():
            if kind.max_length is None:
                yield where
        case types.IntType() | types.FloatType():
            if kind.le is None or kind.ge is None:
                yield where
        case types.VarTupleType():
            if kind.max_length is None:
                yield where
            yield from bounded(kind.item_type, f"{where}[]")
        case types.TupleType():
            for item in kind.item_types:
                yield from bounded(item, f"{where}[]")
        case types.DictType():
            if kind.max_length is None:
                yield where
            yield from bounded(kind.key_type, f"{where}.key")
            yield from bounded(kind.value_type, f"{where}[]")
        case types.UnionType():
            for item in kind.types:
                yield from bounded(item, where)
        case types.StructType():
            for field in kind.fields:
                yield from bounded(field.type, f"{where}.{field.name}")
        case (
            types.DateType()
            | types.BoolType()
            | types.NoneType()
            | types.EnumType()
            | types.LiteralType()
        ):
            pass
        case other:
            yield f"{where}: {other}"


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda k: k.__name__))
def test_every_size_depth_and_count_has_an_end(kind: type[messages.Message]) -> None:
    assert list(bounded(types.type_info(kind), kind.__name__)) == []


EXAMPLES: dict[type[messages.Message], dict[str, Any]] = {
    messages.Hello: {"protocol": 1, "build": "x"},
    messages.CancelRequest: {"session": "a" * 32},
    messages.Outcome: {
        "outcome": "a" * 32,
        "session": "b" * 32,
        "order": "c" * 32,
        "result": "printed",
        "sheets": 1,
        "kept": 100,
        "returned": 0,
        "owed": 0,
    },
    messages.OrderRequest: {
        "session": "a" * 32,
        "order": "b" * 32,
        "kind": "inkan",
        "choices": {"year": ["y2026"]},
        "copies": 1,
    },
    messages.ReleaseRequest: {
        "session": "a" * 32,
        "order": "b" * 32,
        "document_sha256": "c" * 64,
        "paid": 100,
    },
}
WRONG: tuple[Any, ...] = (
    None,
    "",
    "x" * 401,
    "A" * 32,
    "a" * 32 + "\n",
    -1,
    100_001,
    1.5,
    True,
    [],
    {},
    [[]],
)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda k: k.__name__)
def test_schema_and_decoder_agree_on_what_is_a_message(kind: type[messages.Message]) -> None:
    """Each field in turn with each wrong value, left out, or with a stranger beside it."""
    example = EXAMPLES[kind]
    bodies = [example, {**example, "stranger": 1}]
    bodies += [{key: value for key, value in example.items() if key != gone} for gone in example]
    bodies += [{**example, key: value} for key in example for value in WRONG]
    validator = jsonschema_rs.Draft202012Validator(schema(kind))
    for body in bodies:
        try:
            msgspec.json.decode(json.dumps(body), type=kind)
            taken = True
        except msgspec.ValidationError:
            taken = False
        assert validator.is_valid(body) is taken, body


def test_what_the_gateway_says_is_what_it_describes(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        tls = context(rehearsal, rehearsal.pki)
        status, body = await post(url, tls, "/v2/openapi.json", b"", "GET")
        assert (status, json.loads(body)) == (200, DOCUMENT)
        status, body = await post(url, tls, "/v2/hello", msgspec.json.encode(HELLO))
        jsonschema_rs.Draft202012Validator(schema(messages.Terms)).validate(json.loads(body))
        status, body = await post(url, tls, "/v2/hello", b"{}")
        jsonschema_rs.Draft202012Validator(schema(messages.Refusal)).validate(json.loads(body))

    asyncio.run(rehearsal.run(scenario)())


# -- somebody else's fuzzer ------------------------------------------------------------------------


def test_schemathesis(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """Its checks on everything it can think of: status codes, schemas, content types, refusals of
    what is wrong.
    """
    pem = tmp_path / "kiosk.pem"
    pem.write_bytes(b"".join(path.read_bytes() for path in rehearsal.pki.kiosk("kiosk-1")))
    config = tmp_path / "schemathesis.toml"  # by its own list, 413 would be no refusal
    config.write_text('[checks.negative_data_rejection]\nexpected-statuses = ["4xx", "503"]\n')
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
        "negative_data_rejection,unsupported_method"
    )

    async def scenario(url: str) -> None:
        program = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(config),
                "run",
                f"{url}/v2/openapi.json",
            ),
            *(
                "--request-cert",
                str(pem),
                "--tls-verify",
                str(rehearsal.pki.city_ca),
                "--seed",
                "1",
            ),
            *(
                "--max-examples",
                "100",
                "--checks",
                checks,
                "--generation-deterministic",
                "--no-color",
            ),
            *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await program.communicate()
        assert program.returncode == 0, out.decode()[-6000:]

    asyncio.run(rehearsal.run(scenario)())
