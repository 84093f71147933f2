"""The table of operations: every one is carried out, called, described, and refuses in the one form."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from containerlab.distribution.api import registry_api
from containerlab.distribution.api.operation import Noun, operations
from containerlab.distribution.server.api import binding, openapi
from containerlab.distribution.server.registry import Registry, Settings
from tests.distribution.api.serving import Direct, served

BOUND = binding.bound()
NOUNS = [
    value for value in vars(registry_api).values() if isinstance(value, type) and issubclass(value, Noun)
]


@pytest.fixture(scope="module")
def port(base: Path) -> Iterator[int]:
    registry = Registry(Settings(storage=str(base / "api-operations")))
    with served(registry) as port:
        yield port
    registry.close()


def test_every_operation_is_carried_out_and_can_be_called() -> None:
    callable_ones = {each.name for noun in NOUNS for each in operations(noun)}
    assert callable_ones == {each.operation.name for each in BOUND}


@pytest.mark.parametrize("bound", BOUND, ids=lambda bound: bound.operation.name)
def test_the_function_takes_what_the_operation_has(bound: binding.Bound) -> None:
    taken = inspect.signature(bound.function).parameters
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    assert takes_any or set(bound.operation.parameters) <= set(taken)


@pytest.mark.parametrize("bound", BOUND, ids=lambda bound: bound.operation.name)
def test_every_operation_has_a_line_of_help(bound: binding.Bound) -> None:
    assert bound.operation.help.split("\n")[0].endswith(".")


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = json.loads(json.dumps(openapi.document([each.operation for each in BOUND])))
    references = set(_references(document))
    assert references
    for reference in references:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_document_says_what_the_sources_say() -> None:
    schemas = openapi.document([each.operation for each in BOUND])["components"]["schemas"]
    assert schemas["Event"]["properties"]["detail"]["description"] == "A sentence."


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/", 404),
        ("DELETE", "/api/v1/events", 405),
        ("TRACE", "/api/v1/openapi.json", 405),
        ("GET", "/api/v1/events?repositry=x", 400),
        ("GET", "/api/v1/events?limit=1&limit=2", 400),
        ("GET", "/api/v1/events?limit=%ff", 400),
        ("GET", "/api/v1/events?limit=1e400", 400),
        ("GET", "/api/v1/events?" + "&".join(f"a{n}=1" for n in range(1000)), 400),
        ("GET", "/api/v1/%00", 404),
        ("GET", "/api/v1/..%2f..%2fetc", 404),
    ],
)
def test_what_is_refused_is_a_problem_document(port: int, method: str, path: str, status: int) -> None:
    with Direct(port, "root").request(method, path) as answer:
        body = answer.read()
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(body)["status"] == status


def test_a_refused_parameter_is_told_the_nearest_right_name(port: int) -> None:
    with Direct(port, "root").request("GET", "/api/v1/events?repositry=x") as answer:
        assert json.loads(answer.read())["hint"] == "did you mean repository?"


def test_head_is_answered_as_get_without_its_body(port: int) -> None:
    with Direct(port, "root").request("HEAD", "/api/v1/openapi.json") as answer:
        assert (answer.status, answer.read()) == (200, b"")
    with Direct(port, "root").request("GET", "/api/v1/openapi.json") as answer:
        assert json.loads(answer.read())["openapi"] == "3.1.0"
