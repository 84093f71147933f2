"""`sign`, `verify` and `generate-key-pair`, as people use them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.engine.engine import Engine
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.artifacts import manifest_of, send_manifest


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.debian(base / "signing") as running:
        yield running


@pytest.fixture
def image(registry: registries.Registry, user: Path) -> str:
    name = f"{registry.host}/lab/{user.parent.name.replace('_', '-')}:1"
    with Remote(Reference.parse(name), for_push=True) as remote:
        send_manifest(remote, manifest_of(note=name), "1")
    return name


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("COSIGN_PASSWORD", "pw")
    monkeypatch.chdir(tmp_path)
    with Engine(tmp_path / "home") as opened:
        yield opened


def test_from_keys_to_a_verified_image(engine: Engine, image: str, tmp_path: Path) -> None:
    pair = engine.registry.generate_key_pair(output_key_prefix="lab")
    assert pair.to_text().startswith(f"Private key written to {tmp_path}/lab.key\n")
    assert stat.S_IMODE(os.stat("lab.key").st_mode) == 0o600
    signed = engine.registry.sign(image, key="lab.key", annotations={"env": "prod"})
    assert signed.to_text().startswith(f"Pushed signature to: {image[:-2]}:sha256-")
    found = engine.registry.verify(image, key="lab.pub", annotations={"env": "prod"})
    first, *_, last = found.to_text().splitlines()
    assert first == f"Verification for {image} --"
    (statement,) = msgspec.json.decode(last)
    assert statement["critical"]["image"]["docker-manifest-digest"] == signed.digest
    assert statement["optional"] == {"env": "prod"}


def test_keys_that_are_there_are_not_replaced(engine: Engine) -> None:
    engine.registry.generate_key_pair()
    for name in ("cosign.pub", "cosign.key"):
        with pytest.raises(errors.AlreadyExists):
            engine.registry.generate_key_pair()
        os.unlink(name)


def test_what_cannot_be_signed_or_verified(
    engine: Engine, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.registry.generate_key_pair()
    with pytest.raises(errors.InvalidInput, match="no private key"):
        engine.registry.sign(image)
    with pytest.raises(errors.LabError, match="read the key"):
        engine.registry.sign(image, key="not-there")
    with pytest.raises(errors.InvalidInput, match="holds PUBLIC KEY"):
        engine.registry.sign(image, key="cosign.pub")
    with pytest.raises(errors.InvalidInput, match="holds ENCRYPTED SIGSTORE PRIVATE KEY"):
        engine.registry.verify(image, key="cosign.key")
    with pytest.raises(errors.NotFound, match="no signatures found"):
        engine.registry.verify(image, key="cosign.pub")
    monkeypatch.setenv("COSIGN_PASSWORD", "wrong")
    with pytest.raises(errors.NotPermitted, match="does not open"):
        engine.registry.sign(image, key="cosign.key")
    monkeypatch.delenv("COSIGN_PASSWORD")
    with pytest.raises(errors.InvalidInput, match="cannot ask for the password"):
        engine.registry.sign(image, key="cosign.key")


@pytest.mark.slow
def test_the_words_of_the_command_line(engine: Engine, image: str, tmp_path: Path) -> None:
    def conlab(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "containerlab", "--home", str(tmp_path / "home"), *words]
        return subprocess.run(program, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    assert conlab("generate-key-pair").returncode == 0
    assert conlab("generate-key-pair", "--output-key-prefix", "other").returncode == 0
    assert conlab("sign", "--key", "other.key", image).returncode == 0
    assert conlab("sign", "--key", "cosign.key", "-a", "env=prod", image).returncode == 0
    verified = conlab("verify", "--key", "cosign.pub", "-a", "env=prod", image)
    assert verified.returncode == 0
    assert verified.stdout.startswith(f"Verification for {image} --\n")
    assert "it is not by this key" in verified.stderr
    refused = conlab("verify", "--key", "cosign.pub", "-a", "env=test", image)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no matching signatures" in refused.stderr
