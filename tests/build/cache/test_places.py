"""Where steps are taken from and written to, as the command line says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.build.cache.places import Place
from containerlab.errors import InvalidInput, Unsupported
from containerlab.oci.reference import Reference

APP = Reference.parse("localhost:5000/lab/app:cache")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/a/folder", Place("/a/folder")),
        ("./folder", Place("./folder")),
        ("localhost:5000/lab/app:cache", Place(reference=APP)),
        ("type=local,src=a", Place("a")),
        ("type=local,dest=a,mode=max", Place("a", everything=True)),
        ("type=registry,ref=localhost:5000/lab/app:cache", Place(reference=APP)),
        (
            "type=registry,ref=localhost:5000/lab/app:cache,mode=max,registry.insecure=true,ignore-error=true",
            Place("", APP, True, False, True),
        ),
        ("type=registry,ref=localhost:5000/lab/app:cache,oci-mediatypes=true", Place(reference=APP)),
    ],
)
def test_a_place_is_read(text: str, place: Place) -> None:
    assert Place.parse(text) == place


def test_a_word_is_a_folder_when_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place.parse("cache") == Place(reference=Reference.parse("cache"))
    (tmp_path / "cache").mkdir()
    assert Place.parse("cache") == Place("cache")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type=registry", InvalidInput),
        ("type=local", InvalidInput),
        ("type=registry,ref=UPPER", InvalidInput),
        ("type=registry,ref=a,mood=max", InvalidInput),
        ("type=s3,bucket=a", Unsupported),
        ("type=inline", Unsupported),
        (f"a@sha256:{'0' * 64}", InvalidInput),
    ],
)
def test_what_is_wrong_is_refused(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Place.parse(text)
