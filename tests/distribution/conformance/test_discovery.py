"""Section 1, discovery: tags, referrers, catalog, page by page."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from containerlab.oci import digest as digests
from containerlab.oci.distribution import fallback_tag, next_link
from tests.distribution import documents
from tests.distribution.documents import OCI_INDEX, OCI_MANIFEST
from tests.distribution.wire import Answer, Client, Repository

pytestmark = pytest.mark.slow

TAGS = ["1", "10", "2", "A", "B", "_x", "a", "a-1", "a.1", "aa", "ab", "b"]
SIGNATURE, SBOM = "application/x.signature", "application/x.sbom"


@pytest.fixture
def tagged(repository: Repository) -> Repository:
    """A repository with TAGS."""
    repository.push_blob(documents.EMPTY)
    for tag in reversed(TAGS):
        assert repository.put(tag, documents.image(), OCI_MANIFEST).status == 201
    return repository


def pages(client: Client, path: str, field: str, most: int = 100) -> list[list[str]]:
    """Follow Link headers to the end."""
    found: list[list[str]] = []
    while path:
        assert len(found) < most, "the pages have no end"
        answer = client("GET", path)
        assert answer.status == 200, answer
        found.append(list(answer.json[field] or []))
        path = _next(client, path, answer)
    return found


def _next(client: Client, path: str, answer: Answer) -> str:
    link = answer["Link"]
    if not link:
        return ""
    assert re.fullmatch(r'<[^>]+>; rel="next"', link), link
    return next_link(link, f"{client.registry.url}/v2/") or ""


def test_tags_are_sorted(tagged: Repository) -> None:
    """By their bytes or without regard of case."""
    listed = tagged.tags()
    assert sorted(listed) == sorted(TAGS)
    assert listed in (sorted(TAGS), sorted(TAGS, key=lambda tag: (tag.lower(), tag)))


def test_the_list_says_whose_it_is(tagged: Repository) -> None:
    answer = tagged("GET", "tags/list")
    assert answer.json["name"] == tagged.name
    assert answer["Content-Type"] in ("application/json", "application/json; charset=utf-8")
    assert answer["Link"] is None


@pytest.mark.parametrize("count", [1, 5, 11, 12, 13, 1000])
def test_pages_have_what_was_asked_for(client: Client, tagged: Repository, count: int) -> None:
    found = pages(client, f"/v2/{tagged.name}/tags/list?n={count}", "tags")
    assert [tag for page in found for tag in page] == tagged.tags()
    assert all(len(page) == count for page in found[:-1])
    assert found[-1] or len(found) == 1, "a Link led to nothing"


def test_no_tag_at_all_can_be_asked_for(tagged: Repository) -> None:
    answer = tagged("GET", "tags/list?n=0")
    assert (answer.status, answer.json["tags"] or [], answer["Link"]) == (200, [], None)


@pytest.mark.parametrize("last", [*TAGS, "a-", "0", "zz"])
def test_a_list_goes_on_after_the_last(tagged: Repository, last: str) -> None:
    everything = tagged.tags()
    is_ascii = everything == sorted(everything)
    key: Any = (lambda tag: tag) if is_ascii else (lambda tag: (tag.lower(), tag))
    expected = [tag for tag in everything if key(tag) > key(last)]
    assert tagged.tags(f"?last={last}") == expected
    assert tagged.tags(f"?n=2&last={last}") == expected[:2]


def test_a_repository_without_tags_has_an_empty_list_or_none(repository: Repository) -> None:
    answer = repository("GET", "tags/list")
    assert answer.status in (200, 404)
    assert answer.status == 200 or answer.codes == ["NAME_UNKNOWN"]
    raw = documents.image()
    repository.push_blob(documents.EMPTY)
    assert repository.put(digests.of(raw), raw, OCI_MANIFEST).status == 201
    answer = repository("GET", "tags/list")
    assert answer.status == 404 or not answer.json["tags"]


@pytest.mark.parametrize("count", ["-1", "abc", "1" + "0" * 30, "", "1.5", "0x10", "٣"])
def test_a_count_without_sense_is_refused_or_ignored(tagged: Repository, count: str) -> None:
    answer = tagged("GET", f"tags/list?n={quote(count)}")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert set(answer.json["tags"]) <= set(TAGS)


@pytest.mark.parametrize("query", ["n=1&n=2", "last=%00", "last=" + "x" * 5000, "last=%ff", "n=2&last=../.."])
def test_strange_queries_have_an_answer(tagged: Repository, query: str) -> None:
    assert tagged("GET", f"tags/list?{query}").status in (200, 400)


def _subject(repository: Repository) -> dict[str, Any]:
    raw = documents.image()
    assert repository.put("subject", raw, OCI_MANIFEST).status == 201
    return documents.descriptor(raw, OCI_MANIFEST)


def _refer(repository: Repository, raw: bytes, media_type: str = OCI_MANIFEST) -> str:
    answer = repository.put(digests.of(raw), raw, media_type)
    assert answer.status == 201, answer
    return digests.of(raw)


def _referrers(repository: Repository, digest: str, query: str = "") -> list[dict[str, Any]]:
    answer = repository("GET", f"referrers/{digest}{query}")
    assert answer.status == 200, answer
    assert answer["Content-Type"] == OCI_INDEX
    document = answer.json
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    return list(document["manifests"])


@pytest.fixture
def referred(repository: Repository) -> Repository:
    repository.push_blob(documents.EMPTY)
    return repository


def test_what_nobody_refers_to_has_an_empty_index(repository: Repository, other: Repository) -> None:
    digest = digests.of(b"nobody knows me")
    assert _referrers(repository, digest) == []
    other.push_blob(b"so that it exists")
    assert _referrers(other, digest) == []


@pytest.mark.parametrize("digest", ["abc", "sha256:abc", f"sha256:{'G' * 64}", f"x:{'0' * 64}"])
def test_referrers_of_a_malformed_digest_are_400(referred: Repository, digest: str) -> None:
    assert referred("GET", f"referrers/{digest}").status == 400


def test_referrers_have_all_that_a_descriptor_needs(referred: Repository) -> None:
    subject = _subject(referred)
    notes = {"org.example.note": "ü", "n": "1"}
    plain = documents.image(subject=subject, annotations=notes)
    typed = documents.artifact(SIGNATURE, subject)
    index = documents.index(subject=subject)
    typed_index = documents.index(subject=subject, artifactType=SBOM)
    _refer(referred, plain)
    _refer(referred, typed)
    _refer(referred, index, OCI_INDEX)
    _refer(referred, typed_index, OCI_INDEX)
    found = {each.pop("digest"): each for each in _referrers(referred, subject["digest"])}
    assert found.keys() == set(map(digests.of, (plain, typed, index, typed_index)))
    config = "application/vnd.oci.image.config.v1+json"
    assert found[digests.of(plain)] == {
        "mediaType": OCI_MANIFEST,
        "size": len(plain),
        "artifactType": config,
        "annotations": notes,
    }
    assert found[digests.of(typed)]["artifactType"] == SIGNATURE
    assert not found[digests.of(index)].get("artifactType")
    assert found[digests.of(index)]["mediaType"] == OCI_INDEX
    assert found[digests.of(typed_index)]["artifactType"] == SBOM


def test_referrers_can_be_filtered(referred: Repository) -> None:
    subject = _subject(referred)
    signature = _refer(referred, documents.artifact(SIGNATURE, subject))
    _refer(referred, documents.artifact(SBOM, subject))
    path = f"referrers/{subject['digest']}"
    answer = referred("GET", f"{path}?artifactType={SIGNATURE}")
    listed = [each["digest"] for each in answer.json["manifests"]]
    if answer["OCI-Filters-Applied"] is None:
        assert len(listed) == 2
    else:
        assert answer["OCI-Filters-Applied"] == "artifactType"
        assert listed == [signature]
    assert referred("GET", path)["OCI-Filters-Applied"] is None
    nothing = referred("GET", f"{path}?artifactType=application/none")
    assert nothing["OCI-Filters-Applied"] is None or nothing.json["manifests"] == []


def test_the_filter_is_applied(referred: Repository) -> None:
    subject = _subject(referred)
    answer = referred("GET", f"referrers/{subject['digest']}?artifactType=application%2Fx.y%2Bjson")
    assert answer["OCI-Filters-Applied"] == "artifactType"


def test_referrers_go_with_their_deletion(referred: Repository) -> None:
    subject = _subject(referred)
    one = _refer(referred, documents.artifact(SIGNATURE, subject))
    assert len(_referrers(referred, subject["digest"])) == 1
    assert referred("DELETE", f"manifests/{one}").status == 202
    assert _referrers(referred, subject["digest"]) == []


def test_referrers_stay_after_the_deletion_of_their_subject(referred: Repository) -> None:
    subject = _subject(referred)
    one = _refer(referred, documents.artifact(SIGNATURE, subject))
    assert referred("DELETE", f"manifests/{subject['digest']}").status == 202
    assert [each["digest"] for each in _referrers(referred, subject["digest"])] in ([one], [])


def test_referrers_of_another_repository_are_its_own(referred: Repository, other: Repository) -> None:
    subject = _subject(referred)
    _refer(referred, documents.artifact(SIGNATURE, subject))
    other.push_blob(documents.EMPTY)
    assert _referrers(other, subject["digest"]) == []


def test_referrers_of_a_fallback_tag_are_included(referred: Repository) -> None:
    """A client that knew no referrers API has left them there before the registry had one."""
    subject = _subject(referred)
    old = documents.artifact(SBOM)
    entry = documents.descriptor(old, OCI_MANIFEST, artifactType=SBOM)
    _refer(referred, old)
    tag = fallback_tag(subject["digest"])
    assert referred.put(tag, documents.index(manifests=[entry]), OCI_INDEX).status == 201
    new = _refer(referred, documents.artifact(SIGNATURE, subject))
    listed = [each["digest"] for each in _referrers(referred, subject["digest"])]
    assert sorted(listed) == sorted([digests.of(old), new])


def test_many_referrers_come_in_pages_or_at_once(client: Client, referred: Repository) -> None:
    subject = _subject(referred)
    notes = "x" * 30_000
    made = {
        _refer(referred, documents.artifact(SBOM, subject, annotations={"n": f"{number} {notes}"}))
        for number in range(150)
    }
    path, found, rounds = f"/v2/{referred.name}/referrers/{subject['digest']}", set(), 0
    while path:
        answer = client("GET", path)
        assert answer.status == 200
        assert len(answer.body) <= 4 << 20, "no client has to take more"
        found |= {each["digest"] for each in answer.json["manifests"]}
        path, rounds = _next(client, path, answer), rounds + 1
        assert rounds < 100
    assert found == made


def test_the_catalog_has_pages(client: Client, repository: Repository) -> None:
    """Names that begin others are not lost (distribution#4904)."""
    base = repository.name.partition("/")[2]
    names = sorted(f"cat{base}{end}" for end in ("", "-1", "/a", "/a/b", "0", "/a-b"))
    for name in names:
        each = client.repository(name)
        each.push_blob(documents.EMPTY)
        assert each.put("one", documents.image(), OCI_MANIFEST).status == 201
    for count in (1, 2, 5):
        found = pages(client, f"/v2/_catalog?n={count}", "repositories", most=2000)
        listed = [name for page in found for name in page]
        assert [name for name in listed if name.startswith(f"cat{base}")] == names
        assert len(set(listed)) == len(listed)
        assert all(len(page) == count for page in found[:-1])
    after = client("GET", f"/v2/_catalog?n=2&last={names[1]}").json["repositories"]
    assert after == names[2:4]


@pytest.mark.parametrize("count", ["0", "-1", "x", "1" + "0" * 30])
def test_strange_pages_of_the_catalog_have_an_answer(client: Client, count: str) -> None:
    assert client("GET", f"/v2/_catalog?n={count}").status in (200, 400)
