"""A build gives a secret to the RUN that mounts it, and leaves it nowhere."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.build_result import BuildResult
from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests import containers as small

pytestmark = [pytest.mark.root, pytest.mark.slow]

VALUE = "q7Zk9vXw2Lm4" + "TtRy8Pb1"
MOUNT = "RUN --mount=type=secret,id=tok"


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    return base / "secret-builds"


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with small.engine(home) as engine:
        yield engine


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "tok").write_text(VALUE + "\n")
    return f"id=tok,src={tmp_path}/tok"


def build(engine: Engine, context: Path, *lines: str, **options: object) -> BuildResult:
    text = "\n".join([f"FROM {small.IMAGE}", *lines, ""])
    return engine.builder.build(str(context), dockerfile=text, **options)  # type: ignore[arg-type]


def files_with(home: Path, *needles: bytes) -> list[str]:
    """Return all files of a home in which a value is; layers are stored uncompressed for it."""
    return [
        str(path)
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and any(each in path.read_bytes() for each in needles)
    ]


def test_a_secret_is_nowhere_after_its_step(engine: Engine, context: Path, home: Path, secret: str) -> None:
    built = build(
        engine,
        context,
        f"{MOUNT} cat /run/secrets/tok && cat /run/secrets/tok | base64 && wc -c < /run/secrets/tok > /size",
        "RUN ! test -e /run/secrets/tok && cat /size",
        secret=[secret],
        tag="used",
        compression="none",
    )
    logs = "".join(step.log for step in built.record.steps)
    assert "***" in logs
    assert "21" in logs
    assert VALUE not in logs
    assert not files_with(home, VALUE.encode(), base64.b64encode(VALUE.encode())[:20])
    assert len(engine.images.audit("used")) == 0


@pytest.mark.parametrize(
    ("command", "path", "encoding"),
    [
        ("cp /run/secrets/tok /srv-key", "srv-key", "raw"),
        ("base64 /run/secrets/tok > /etc/encoded", "etc/encoded", "base64"),
        ("(printf ab; cat /run/secrets/tok) | base64 > /etc/encoded", "etc/encoded", "base64"),
        ("hexdump -ve '/1 \"%02x\"' /run/secrets/tok > /etc/hex", "etc/hex", "hex"),
        ("ln -s $(cat /run/secrets/tok) /link", "link", "raw"),
        ("mkdir /d && cp /run/secrets/tok /d/a && mv /d/a /d/b", "d/b", "raw"),
    ],
)
def test_a_layer_with_a_secret_is_refused(
    engine: Engine, context: Path, secret: str, command: str, path: str, encoding: str
) -> None:
    with pytest.raises(LabError) as caught:
        build(engine, context, "RUN true", f"{MOUNT} {command}", secret=[secret], tag="refused")
    assert f"tok in {path} ({encoding})" in str(caught.value)
    assert "Dockerfile:3" in str(caught.value)
    assert VALUE not in str(caught.value)
    assert "refused" not in [image.repository for image in engine.images.list()]


def test_a_refused_layer_is_not_kept(engine: Engine, context: Path, home: Path, secret: str) -> None:
    for _ in range(2):  # the second time it must not be found in the cache
        with pytest.raises(LabError, match="secret"):
            build(engine, context, f"{MOUNT} cp /run/secrets/tok /x", secret=[secret], compression="none")
    assert not files_with(home, VALUE.encode())


def test_a_layer_with_a_secret_can_be_allowed(engine: Engine, context: Path, secret: str) -> None:
    build(
        engine,
        context,
        f"{MOUNT} cp /run/secrets/tok /root/.vault-token",
        secret=[secret],
        allow_secret_in_layer=True,
        tag="allowed",
    )
    (found,) = engine.images.audit("allowed")
    assert (found.kind, found.path) == ("vault-token", "root/.vault-token")
    engine.images.remove("allowed")


def test_a_secret_argument_is_redacted_and_is_part_of_the_key(engine: Engine, context: Path) -> None:
    def run(value: str) -> tuple[int, str]:
        built = build(
            engine,
            context,
            "ARG API_TOKEN",
            "RUN test -n $API_TOKEN && echo used",
            build_arg=[f"API_TOKEN={value}"],
            tag="argued",
        )
        history = " ".join(line.created_by for line in engine.images.history("argued"))
        return built.cached, history

    first, again, other = run(VALUE), run(VALUE), run(VALUE[::-1])
    assert "API_TOKEN=<redacted>" in first[1]
    assert VALUE not in first[1]
    assert first[0] == other[0] < again[0]


def test_a_configuration_with_a_secret_is_refused(engine: Engine, context: Path) -> None:
    with pytest.raises(LabError, match="API_TOKEN in config"):
        build(engine, context, "ARG API_TOKEN", "ENV TOKEN=$API_TOKEN", build_arg=[f"API_TOKEN={VALUE}"])


def test_an_agent_is_there_for_the_step_that_mounts_it(engine: Engine, context: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path := str(tmp_path / "agent"))
        build(
            engine,
            context,
            "RUN --mount=type=ssh test -S $SSH_AUTH_SOCK",
            "RUN test -z $SSH_AUTH_SOCK",
            ssh=[f"default={path}"],
        )
