"""Configuration, history, annotations and attestations are searched too."""

from __future__ import annotations

import base64
import json

import pytest

from containerlab.build.audit import papers
from containerlab.oci.image import Config, Healthcheck, History, ImageConfig, RootFS
from tests.build.audit import planted

PASSWORD = "xK93" + "-vQp-77"


def in_config(**fields: object) -> list[tuple[str, str]]:
    config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS(), config=Config(**fields))  # type: ignore[arg-type]
    return [(each.place, each.found.kind) for each in papers.in_config(config)]


def in_history(text: str) -> list[tuple[str, bytes]]:
    return [(each.place, each.found.value) for each in papers.in_history(3, History(created_by=text))]


def test_every_part_of_a_configuration_is_searched() -> None:
    token = planted.of_kind("gitlab-token")
    assert in_config(
        env=(f"DB_PASSWORD={PASSWORD}", f"HARMLESS_NAME={token}", "PATH=/bin"),
        labels={"org.example.api-key": PASSWORD, "a": token},
        entrypoint=("serve", f"--token={PASSWORD}"),
        cmd=("--db-password", PASSWORD),
        healthcheck=Healthcheck(test=("CMD-SHELL", f"curl https://me:{PASSWORD}@localhost/")),
        on_build=(f"RUN TOKEN={PASSWORD} make",),
    ) == [
        ("ENV DB_PASSWORD", "env-secret"),
        ("ENV HARMLESS_NAME", "gitlab-token"),
        ("LABEL org.example.api-key", "label-secret"),
        ("LABEL a", "gitlab-token"),
        ("ENTRYPOINT", "command-secret"),
        ("CMD", "command-secret"),
        ("HEALTHCHECK", "url-password"),
        ("ONBUILD", "command-secret"),
    ]


def test_what_official_images_have_is_harmless() -> None:
    assert (
        in_config(
            env=(
                "GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568",
                "GPG_KEYS=8AC3D31E5D9A2F7D 6A010C5166006599AA17F08146C2130DFD2497F5",
                "MYSQL_ROOT_PASSWORD_FILE=/run/secrets/root",
                "SSL_KEY=/etc/ssl/key.pem",
                "AUTH=true",
                "SECRET=",
                "TOKEN=<redacted>",
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (
            f"|2 MODE=a b API_TOKEN={PASSWORD} /bin/sh -c make X=1 # buildkit",
            [("history 3: ARG API_TOKEN", PASSWORD)],
        ),
        (
            f"RUN |2 API_TOKEN={PASSWORD} two MODE=a /bin/bash -o pipefail -c make",
            [("history 3: ARG API_TOKEN", f"{PASSWORD} two")],
        ),
        (f"|2 API_TOKEN={PASSWORD} /bin/sh -c make X=1", [("history 3: ARG API_TOKEN", PASSWORD)]),
        (f"|1 API_TOKEN={PASSWORD} /app/tool --x /y", [("history 3: ARG API_TOKEN", PASSWORD)]),
        (f"|1 API_TOKEN={PASSWORD}", [("history 3: ARG API_TOKEN", PASSWORD)]),
        (f"ARG API_TOKEN={PASSWORD}", [("history 3", PASSWORD)]),
        (f"/bin/sh -c #(nop)  ENV DB_PASSWORD={PASSWORD}", [("history 3", PASSWORD)]),
        (f"RUN /bin/sh -c curl --password {PASSWORD} host", [("history 3", PASSWORD)]),
        (f'RUN /bin/sh -c export TOKEN="{PASSWORD}" && make', [("history 3", PASSWORD)]),
        ("RUN |1 TOKEN=<redacted> /bin/sh -c echo $TOKEN --token=$TOKEN", []),
        ("RUN /bin/sh -c apt-key add /etc/key && make KEY_FILE=x", []),
        ("|3 A=1", []),
        ("|x", []),
    ],
)
def test_history(text: str, findings: list[tuple[str, str]]) -> None:
    assert in_history(text) == [(place, value.encode()) for place, value in findings]


def test_annotations() -> None:
    found = papers.in_annotations({"org.example.password": PASSWORD, "org.opencontainers.image.title": "x"})
    assert [each.place for each in found] == ["annotation org.example.password"]


def test_a_provenance_tells_build_arguments_and_has_the_dockerfile() -> None:
    dockerfile = f"FROM x\nENV SECRET={PASSWORD}\n".encode()
    statement = {
        "predicate": {
            "invocation": {"parameters": {"args": {"build-arg:API_TOKEN": PASSWORD, "build-arg:MODE": "a"}}},
            "metadata": {"source": {"infos": [{"data": base64.b64encode(dockerfile).decode()}]}},
        }
    }
    found = list(papers.in_attestation(json.dumps(statement).encode()))
    assert [each.place for each in found] == ["provenance build-arg:API_TOKEN", "provenance data"]
    assert {each.found.value for each in found} == {PASSWORD.encode()}


def test_an_attestation_that_is_no_json_is_searched_as_text() -> None:
    assert len(list(papers.in_attestation(f"TOKEN={PASSWORD}".encode()))) == 1
