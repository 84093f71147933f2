"""How an image was built, as a SLSA predicate: v0.2 in BuildKit's form, or v1.

Secret-like build arguments are redacted wherever they stand, which BuildKit does not do.
Source: slsa.dev/provenance/v0.2 and /v1; BuildKit, docs/attestations/slsa-definitions.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from containerlab.build.attestations.facts import Facts, Material
from containerlab.build.attestations.requests import Provenance
from containerlab.build.attestations.statement import V0_1, V1, Predicate
from containerlab.build.record import StepRecord
from containerlab.build.result.program import NAME, version
from containerlab.build.result.purl import purl
from containerlab.build.secrecy.redaction import redact, shown_value
from containerlab.oci.image import format_time
from containerlab.oci.platform import Platform

__all__ = ["provenance"]

_TYPES = {"v0.2": "https://slsa.dev/provenance/v0.2", "v1": "https://slsa.dev/provenance/v1"}
_BUILD_TYPES = {
    "v0.2": "https://mobyproject.org/buildkit@v1",
    "v1": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
}
_OWN_METADATA = "https://mobyproject.org/buildkit@v1#metadata"
_FRONTEND = "dockerfile.v0"


def provenance(facts: Facts, request: Provenance, layers: Sequence[Mapping[str, Any]] = ()) -> Predicate:
    """Return what is said of a build; layers: descriptors of the image's, told with mode=max."""
    body = (_v1 if request.version == "v1" else _v0_2)(facts, request, layers)
    return Predicate(
        type=_TYPES[request.version],
        body=msgspec.json.encode(body),
        statement=V1 if request.version == "v1" else V0_1,
        file_name="provenance.json",
    )


def _v0_2(facts: Facts, request: Provenance, layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    everything = request.mode == "max"
    body: dict[str, Any] = {
        "builder": {"id": request.builder_id or purl("pypi", NAME, version())},
        "buildType": _BUILD_TYPES["v0.2"],
        "materials": _materials(facts.materials),
        "invocation": {
            "configSource": _config_source(facts, "entryPoint"),
            "parameters": _parameters(facts, everything=everything),
            "environment": {"platform": str(Platform.host())},
        },
        "metadata": {
            **({"buildInvocationID": facts.ref} if facts.ref else {}),
            "buildStartedOn": format_time(facts.started_at),
            "buildFinishedOn": format_time(facts.finished_at),
            "completeness": {
                "parameters": everything or not _has_arguments(facts),
                "environment": True,
                "materials": facts.are_materials_complete,
            },
            "reproducible": request.reproducible,
        },
    }
    if everything:
        body["buildConfig"] = _steps(facts)
        body["metadata"][_OWN_METADATA] = {"source": _source(facts), "layers": {"step0:0": [list(layers)]}}
    return body


def _v1(facts: Facts, request: Provenance, layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    everything = request.mode == "max"
    internal: dict[str, Any] = {"builderPlatform": str(Platform.host())}
    metadata: dict[str, Any] = {
        **({"invocationId": facts.ref} if facts.ref else {}),
        "startedOn": format_time(facts.started_at),
        "finishedOn": format_time(facts.finished_at),
        "buildkit_hermetic": facts.are_materials_complete,
        "buildkit_completeness": {
            "request": everything or not _has_arguments(facts),
            "resolvedDependencies": facts.are_materials_complete,
        },
        "buildkit_reproducible": request.reproducible,
    }
    if everything:
        internal["buildConfig"] = _steps(facts)
        metadata["buildkit_metadata"] = {"source": _source(facts), "layers": {"step0:0": [list(layers)]}}
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPES["v1"],
            "externalParameters": {
                "configSource": _config_source(facts, "path"),
                "request": _parameters(facts, everything=everything),
            },
            "internalParameters": internal,
            "resolvedDependencies": _materials(facts.materials),
        },
        "runDetails": {
            "builder": {"id": request.builder_id or purl("pypi", NAME, version())},
            "metadata": metadata,
        },
    }


def _materials(materials: Sequence[Material]) -> list[dict[str, Any]]:
    return [_material(each) for each in sorted(set(materials), key=lambda each: (each.uri, each.digest))]


def _material(material: Material) -> dict[str, Any]:
    algorithm, _, digits = material.digest.partition(":")
    return {"uri": material.uri, **({"digest": {algorithm: digits}} if digits else {})}


def _config_source(facts: Facts, key: str) -> dict[str, Any]:
    return {**(_material(facts.context) if facts.context else {}), key: facts.dockerfile}


def _has_arguments(facts: Facts) -> bool:
    return bool(facts.build_args or facts.labels or facts.secrets or facts.ssh)


def _parameters(facts: Facts, *, everything: bool) -> dict[str, Any]:
    """Return the request; build arguments, labels and the ids of secrets only with mode=max."""
    arguments = dict(facts.frontend_args)
    if facts.target:
        arguments["target"] = facts.target
    found: dict[str, Any] = {"frontend": _FRONTEND, "args": arguments}
    if everything:
        arguments |= {f"build-arg:{name}": shown_value(name, text) for name, text in facts.build_args.items()}
        arguments |= {f"label:{name}": redact(text, facts.build_args) for name, text in facts.labels.items()}
        if facts.secrets:
            found["secrets"] = [{"id": each, "optional": True} for each in facts.secrets]
        if facts.ssh:
            found["ssh"] = [{"id": each, "optional": True} for each in facts.ssh]
    if facts.context is None:
        found["locals"] = [{"name": "context"}, {"name": "dockerfile"}]
    return found


def _steps(facts: Facts) -> dict[str, Any]:
    """Return the graph of steps; BuildKit has its own operations in this place, we have ours."""
    return {"steps": [_step(each, facts) for each in facts.steps]}


def _step(record: StepRecord, facts: Facts) -> dict[str, Any]:
    step = record.step
    return {
        "id": f"step{step.id}",
        "name": redact(step.name, facts.build_args),
        "kind": step.kind,
        "line": step.line,
        "inputs": [f"step{each}" for each in step.inputs],
    }


def _source(facts: Facts) -> dict[str, Any]:
    text = _without_secrets(redact(facts.source, facts.build_args))
    return {
        "locations": {
            f"step{each.step.id}": {
                "locations": [
                    {"ranges": [{"start": {"line": each.step.line}, "end": {"line": each.step.line}}]}
                ]
            }
            for each in facts.steps
            if each.step.line
        },
        "infos": [
            {
                "filename": facts.dockerfile,
                "language": "Dockerfile",
                "data": base64.b64encode(text.encode()).decode(),
            }
        ],
    }


_ASSIGNMENT = re.compile(r"""(?<!\w)([A-Za-z_]\w*)=("[^"\n]*"|'[^'\n]*'|[^\s"'$]\S*)""")
_LEGACY = re.compile(r"(?im)^(\s*ENV\s+)([A-Za-z_]\w*)([ \t]+)(\S.*)$")


def _without_secrets(text: str) -> str:
    """Redact what a Dockerfile itself gives to variables whose names look secret."""
    text = _ASSIGNMENT.sub(lambda match: f"{match[1]}={shown_value(match[1], match[2])}", text)
    return _LEGACY.sub(lambda match: f"{match[1]}{match[2]}{match[3]}{shown_value(match[2], match[4])}", text)
