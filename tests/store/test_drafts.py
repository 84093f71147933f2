"""Lists of manifests before they are pushed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from containerlab.errors import CorruptContent, NotFound
from containerlab.oci.image import OCI_MANIFEST, Descriptor
from containerlab.oci.platform import Platform
from containerlab.store.drafts import Draft, Drafts, Entry
from containerlab.store.home import Home

DIGEST = "sha256:" + "1" * 64
ENTRY = Entry(
    source=f"localhost:5000/lab/app@{DIGEST}",
    descriptor=Descriptor(
        media_type=OCI_MANIFEST, digest=DIGEST, size=7, platform=Platform("arm64", "linux", "v8")
    ),
)


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(Home.open(tmp_path / "home"))


def test_a_list_comes_back_as_it_was(drafts: Drafts) -> None:
    draft = Draft(name="localhost:5000/lab/app:v1", entries=(ENTRY,), annotations={"a": "b"})
    drafts.put(draft)
    assert drafts.get("localhost:5000/lab/app:v1") == draft
    assert drafts.all() == [draft]


def test_a_list_is_found_by_the_short_form_of_its_name(drafts: Drafts) -> None:
    drafts.put(Draft(name="docker.io/library/app:latest"))
    assert drafts.get("app").name == "docker.io/library/app:latest"


def test_a_name_that_is_nearly_right_is_offered(drafts: Drafts) -> None:
    drafts.put(Draft(name="docker.io/lab/application:latest"))
    with pytest.raises(NotFound, match="lab/application"):
        drafts.get("lab/aplication")


def test_a_removed_list_is_gone_and_a_missing_one_says_so(drafts: Drafts) -> None:
    drafts.put(Draft(name="docker.io/library/app:latest"))
    drafts.remove("app")
    assert drafts.all() == []
    with pytest.raises(NotFound):
        drafts.remove("app")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name":"x","entries":[{}]}', b"\xff"])
def test_a_damaged_file_is_named(drafts: Drafts, content: bytes) -> None:
    drafts.put(Draft(name="docker.io/library/app:latest"))
    (path,) = drafts._folder.iterdir()
    path.write_bytes(content)
    with pytest.raises(CorruptContent, match=path.name):
        drafts.get("app")


def test_what_a_list_says_stays_in_one_line_of_json(drafts: Drafts) -> None:
    drafts.put(Draft(name="docker.io/library/app:latest", entries=(ENTRY,)))
    (path,) = drafts._folder.iterdir()
    assert msgspec.json.decode(path.read_bytes())["entries"][0]["descriptor"]["platform"]["variant"] == "v8"
