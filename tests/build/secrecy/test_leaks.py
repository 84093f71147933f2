"""Secret values are found in layers and configurations, with the file that has them."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.build.secrecy.leaks import Finder, Leak

VALUE = b"q7Zk/9v+w2Lm~Trx"


def layer(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def found(secrets: dict[str, bytes], stream: bytes, size: int = 1 << 20) -> list[Leak]:
    finder = Finder(secrets)
    for at in range(0, len(stream), size):
        finder.feed(stream[at : at + size])
    return finder.leaks()


FORMS = {
    "raw": [VALUE],
    "base64": [
        base64.b64encode(VALUE),
        base64.b64encode(b"1" + VALUE + b"23"),
        base64.b64encode(b"12" + VALUE + b"\n"),
        base64.urlsafe_b64encode(VALUE),
    ],
    "hex": [VALUE.hex().encode(), VALUE.hex().upper().encode()],
    "url": [b"q7Zk%2F9v%2Bw2Lm~Trx", b"q7Zk%2f9v%2bw2Lm~Trx"],
}


@pytest.mark.parametrize(("encoding", "form"), [(name, form) for name in FORMS for form in FORMS[name]])
def test_a_value_is_found_in_every_form(encoding: str, form: bytes) -> None:
    stream = layer({"etc/one": b"1" * 700, "./etc/two": b"x=" + form + b"\n", "etc/three": b""})
    assert found({"t": VALUE + b"\n"}, stream) == [Leak("t", "etc/two", encoding)]


@pytest.mark.parametrize("width", [64, 76])
def test_base64_in_lines_is_found(width: int) -> None:
    value = bytes(range(1, 200))
    written = subprocess.run(["base64", f"-w{width}"], input=value, capture_output=True, check=True).stdout
    assert found({"t": value}, layer({"a": written})) == [Leak("t", "a", "base64")]


def test_every_secret_and_file_is_named_once() -> None:
    files = {"a": VALUE * 3, "b": b"", "c": VALUE + b"another-value"}
    leaks = found({"t": VALUE, "u": b"another-value", "none": b"something else"}, layer(files))
    assert leaks == [Leak("t", "a", "raw"), Leak("t", "c", "raw"), Leak("u", "c", "raw")]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_that_are_the_secret(kind: int) -> None:
    long = "/".join(["directory"] * 30)
    stream = layer({f"{long}/one": VALUE, f"{long}/is-{'sesame' * 9}": b"."}, kind)
    assert found({"t": VALUE, "u": b"sesame" * 9}, stream, 100) == [
        Leak("t", f"{long}/one", "raw"),
        Leak("u", f"{long}/is-{'sesame' * 9}", "raw"),
    ]


def test_parts_of_a_file_of_keys_are_found_and_common_lines_are_not() -> None:
    secret = b"registry=https://registry.npmjs.org/\n//registry.npmjs.org/:_authToken=Xk29vLq8-TzP4\n"
    assert not found({"npmrc": secret}, layer({"a": b"registry=https://registry.npmjs.org/\n"}))
    assert found({"npmrc": secret}, layer({"a": b"token: Xk29vLq8-TzP4"})) == [Leak("npmrc", "a", "raw")]
    key = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHhXz8\nT0aVb3k1Qd7LmN5oPq9RsUwYcE\n"
    assert not found({"key": key}, layer({"a": b"-----BEGIN PRIVATE KEY-----\n"}))
    assert found({"key": key}, layer({"a": b"T0aVb3k1Qd7LmN5oPq9RsUwYcE"})) == [Leak("key", "a", "raw")]


def test_short_values_are_not_looked_for() -> None:
    assert not found({"pin": b"12345", "empty": b""}, layer({"a": b"12345"}))


def test_what_is_no_archive_is_searched_too() -> None:
    assert found({"t": VALUE}, b"\xff" * 5000 + VALUE)[0].secret_id == "t"


def test_a_configuration_is_searched_in_all_its_texts() -> None:
    raw = json.dumps(
        {
            "config": {
                "Env": ["A=1", f"T={VALUE.decode()}"],
                "Labels": {"x": base64.b64encode(VALUE).decode()},
            },
            "history": [{"created_by": "RUN say \"'\n"}],
        }
    ).encode()
    finder = Finder({"t": VALUE, "quoted": b"say \"'"})
    assert finder.search_config(raw) == [
        Leak("t", "config.Env[1]", "raw"),
        Leak("t", "config.Labels.x", "base64"),
        Leak("quoted", "history[0].created_by", "raw"),
    ]


def test_another_finder_looks_for_the_same() -> None:
    first = Finder({"t": VALUE})
    first.feed(layer({"a": VALUE}))
    assert first.another().leaks() == []
    assert first.another().search(VALUE) == ["raw"]


@pytest.mark.parametrize("before", range(1, len(VALUE)))
def test_a_value_is_found_that_two_pieces_share(before: int) -> None:
    stream = layer({"big": bytes(1 << 20) + VALUE})
    cut = stream.index(VALUE) + before
    assert found({"t": VALUE}, stream, cut) == [Leak("t", "big", "raw")]


@pytest.mark.slow
@given(st.data())
def test_any_cutting_finds_the_same(data: st.DataObject) -> None:
    names = st.text("ab/é", min_size=1, max_size=200).map(lambda name: name.strip("/") or "x")
    contents = st.lists(st.sampled_from([b"", b"x" * 511, VALUE, VALUE.hex().encode(), b"q7Zk"]), max_size=3)
    files = data.draw(st.dictionaries(names, contents.map(b"".join), max_size=4))
    stream = layer(files)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    finder = Finder({"t": VALUE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("containerlab.build.secrecy.leaks._BATCH_BYTES", 0)
        for start, end in pairwise([0, *cuts, len(stream)]):
            finder.feed(stream[start:end])
    wanted = {
        name.strip("/")
        for name, content in files.items()
        if VALUE in content or VALUE.hex().encode() in content
    }
    assert {leak.path for leak in finder.leaks()} == wanted
