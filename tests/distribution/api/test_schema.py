"""The OpenAPI document against the server that gives it, by schemathesis: what comes back is what it says.

The requests are always the same ones, so that a failure comes again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from containerlab.distribution.server.api import binding
from tests.registries import Registry, ours

LABELS = [f"{each.operation.method} {each.operation.path}" for each in binding.bound()]
_EXAMPLES = 6
_EXCLUDED = [
    positive_data_acceptance,  # patterns, scopes and addresses have to be right beyond what a schema can say
    not_a_server_error,  # 500 is in no document, so that another check finds it; 503 for a full disk is
]


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Registry]:
    with ours(base / "api-schema") as server:
        yield server


@pytest.fixture(scope="module")
def schema(server: Registry) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_what_comes_back_is_what_the_document_says(server: Registry, schema: BaseSchema, label: str) -> None:
    method, _, path = label.partition(" ")
    pair = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()

    @seed(4)
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schema[path][method].as_strategy())
    def holds(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Basic {pair}"}, excluded_checks=_EXCLUDED)

    holds()
