"""Names of images read as Docker reads them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from containerlab.errors import InvalidInput
from containerlab.oci.reference import Reference

DIGEST = f"sha256:{'ab' * 32}"

hosts = st.sampled_from(
    ["docker.io", "localhost", "localhost:5000", "quay.io", "a.b:1", "[::1]:5000", "UPPER"]
)
words = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,2})[a-z0-9]{1,8})?", fullmatch=True)
paths = st.lists(words, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("lab/base", "docker.io/lab/base:latest", "lab/base:latest"),
        ("docker.io/debian:12", "docker.io/library/debian:12", "debian:12"),
        ("index.docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
        ("quay.io/a/b", "quay.io/a/b:latest", "quay.io/a/b:latest"),
        ("debian:5000", "docker.io/library/debian:5000", "debian:5000"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}", f"debian:12@{DIGEST}"),
    ],
)
def test_names_are_completed_as_docker_does(text: str, full: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert reference.full() == full
    assert reference.familiar() == familiar


@example(host="docker.io", path="0.0/0", tag="0", has_digest=False)
@given(hosts, paths, tags, st.booleans())
def test_both_spellings_lead_back_to_the_same_reference(
    host: str, path: str, tag: str, has_digest: bool
) -> None:
    reference = Reference.parse(f"{host}/{path}:{tag}" + (f"@{DIGEST}" if has_digest else ""))
    assert Reference.parse(reference.full()) == reference
    assert Reference.parse(reference.familiar()) == reference
    assert reference.tag == tag


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_one_clear_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidInput:
        return
    assert Reference.parse(reference.full()) == reference


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("Debian", "lower case: debian"),
        ("lab/Base:V1", "lower case: lab/base:V1"),
        ("debian:", "not a tag"),
        ("debian:-x", "not a tag"),
        ("debian: x", "not a tag"),
        ("-debian", "not an image name"),
        ("a//b", "not an image name"),
        ("a/../b", "not an image name"),
        ("a.b:port/x", "not a registry"),
        ("debian@sha256:12", "not a digest"),
        ("debian@", "not a digest"),
        ("ab" * 32, "image id"),
        (f"a/{'b' * 250}", "too long"),
    ],
)
def test_wrong_names_say_which_part_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Reference.parse(text)
