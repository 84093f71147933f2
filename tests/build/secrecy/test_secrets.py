"""--secret: where values come from, what is refused, and that nothing shows them."""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

import pytest

from containerlab.build.secrecy.secrets import MOST_BYTES, Secret, SecretSource, parse_secret, read_secrets
from containerlab.errors import InvalidInput, LabError, NotFound

VALUE = "open-sesame"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("id=a", SecretSource("a")),
        ("id=a,src=/x", SecretSource("a", "/x")),
        ("ID=a,source=/x,type=file", SecretSource("a", "/x")),
        ("id=a,env=A", SecretSource("a", "", "A")),
        ("type=env,id=a,src=A", SecretSource("a", "", "A")),
        ("type=env,id=a", SecretSource("a")),
        ('id=a,"src=/with,comma"', SecretSource("a", "/with,comma")),
    ],
)
def test_is_read_as_buildkit_reads_it(text: str, source: SecretSource) -> None:
    assert parse_secret(text) == source
    assert parse_secret(source) == source


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no id"),
        ("src=/x", "no id"),
        ("id=", "no id"),
        ("token", "not written so"),
        ("id=a,scr=/x", "scr"),
        ("id=a,type=vault", "vault"),
        ("id=a,src=/x,env=A", "both"),
        ("id=a,type=file,env=A", "type=file"),
        ('id=a,"src=/x', "at its commas"),
    ],
)
def test_what_is_wrong_is_said(text: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        parse_secret(text)


def test_values_come_from_files_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\x00bytes\n")
    found = read_secrets([f"id=file,src={file}", "id=variable,env=V"], {"V": "caf\udce9"})
    assert found["file"].value == b"\x00bytes\n"
    assert found["variable"].value == b"caf\xe9"


def test_without_a_source_the_id_is_the_variable_and_else_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("TOKEN").write_text("from the file")
    assert read_secrets(["id=TOKEN"], {})["TOKEN"].value == b"from the file"
    assert read_secrets(["id=TOKEN"], {"TOKEN": "from the variable"})["TOKEN"].value == b"from the variable"


def test_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, VALUE.encode())
    os.close(writer)
    assert read_secrets([f"id=a,src=/dev/fd/{reader}"])["a"].value == VALUE.encode()
    os.close(reader)


@pytest.mark.parametrize(
    "source", ["id=a,src=/nowhere/x", "id=a,src=/tmp", "id=a,env=A", "id=nowhere-to-be-found"]
)
def test_what_is_missing_stops_the_build_at_its_start(source: str) -> None:
    with pytest.raises(NotFound) as caught:
        read_secrets([source], {})
    assert caught.value.hint


def test_an_id_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        read_secrets(["id=a,env=A", "id=a,env=B"], {"A": "1", "B": "2"})


def test_the_largest_secret_has_500_kib(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(MOST_BYTES))
    assert len(read_secrets([f"id=a,src={file}"])["a"].value) == MOST_BYTES
    file.write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(InvalidInput, match="500 KiB"):
        read_secrets([f"id=a,src={file}"])


def test_nothing_shows_the_value() -> None:
    secret = Secret("a", VALUE.encode())
    assert VALUE not in f"{secret!r} {secret} {[secret]} { ({'a': secret}) }"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(LabError) as caught:
        read_secrets([f"id=a,value={VALUE}"])
    assert VALUE not in "".join(traceback.format_exception(caught.value))
