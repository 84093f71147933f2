"""Which statements a build is to attach."""

from __future__ import annotations

import sys

import pytest

from containerlab import errors
from containerlab.build.attestations.requests import Provenance, Requests, Sbom, of, read


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (read(), Requests()),
        (read(sbom=True), Requests(sbom=Sbom())),
        (read(sbom="true"), Requests(sbom=Sbom())),
        (read(sbom="generator=cyclonedx"), Requests(sbom=Sbom(format="cyclonedx"))),
        (read(provenance="mode=max,version=v1"), Requests(provenance=Provenance(mode="max", version="v1"))),
        (read(provenance="false", attest=["type=provenance"]), Requests()),
        (
            read(attest=["type=sbom,disabled=true", "type=provenance,builder-id=x,reproducible=true"]),
            Requests(provenance=Provenance(builder_id="x", reproducible=True)),
        ),
    ],
)
def test_reading(found: Requests, expected: Requests) -> None:
    assert found == expected
    assert bool(found) == (expected != Requests())


@pytest.mark.parametrize(
    "options",
    [
        {"sbom": "maybe"},
        {"sbom": "format=x"},
        {"provenance": "mode=most"},
        {"provenance": "version=v3"},
        {"provenance": "mod=max"},
        {"attest": ["type=sbm"]},
        {"attest": ["mode=max"]},
    ],
)
def test_what_is_wrong(options: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidInput):
        read(**options)


@pytest.mark.parametrize("options", [{"sbom": "generator=docker/scout"}, {"provenance": "inline-only=true"}])
def test_what_is_not_there(options: dict[str, str]) -> None:
    with pytest.raises(errors.Unsupported):
        read(**options)


def test_a_missing_extra_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx", None)
    with pytest.raises(errors.Unsupported, match="cyclonedx") as caught:
        of({"sbom": "generator=cyclonedx"})
    assert caught.value.hint == "pip install 'containerlab[sbom]'"
    assert of({"provenance": "true"}).sbom is None
