"""Section 1, push: blobs in all the ways that clients know."""

from __future__ import annotations

import hashlib
import urllib.parse

import pytest

from containerlab.oci import digest as digests
from tests.distribution.wire import Answer, Client, Repository, with_digest

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 40
UNKNOWN = digests.of(b"what nobody has pushed")
CHUNKS = (DATA[:4000], DATA[4000:8000], DATA[8000:])


def _is_stored(answer: Answer, repository: Repository, data: bytes = DATA) -> None:
    """Expect 201, and a Location that leads to the blob."""
    assert answer.status == 201, answer
    assert answer["Docker-Content-Digest"] == digests.of(data)
    location = answer["Location"]
    assert location
    assert repository.client("GET", location).body == data
    assert repository("GET", f"blobs/{digests.of(data)}").body == data


def _patch(client: Client, location: str, data: bytes, first: int) -> Answer:
    return client(
        "PATCH",
        location,
        body=data,
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{first}-{first + len(data) - 1}",
        },
    )


def _location(answer: Answer, expected: int = 202) -> str:
    assert answer.status == expected, answer
    assert answer["Location"], answer
    return str(answer["Location"])


def test_each_post_opens_another_session(repository: Repository) -> None:
    assert len({repository.start().partition("?")[0] for _ in range(3)}) == 3


def test_post_and_put(repository: Repository) -> None:
    _is_stored(repository.finish(repository.start(), digests.of(DATA), DATA), repository)


def test_post_alone(repository: Repository) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    digest = digests.of(DATA)
    answer = repository("POST", f"blobs/uploads/?digest={digest}", body=DATA, headers=headers)
    if answer.status == 202:
        answer = repository.finish(_location(answer), digest, DATA)
    _is_stored(answer, repository)


@pytest.mark.parametrize("is_last_on_put", [False, True], ids=["patches", "last-on-put"])
def test_chunks(client: Client, repository: Repository, is_last_on_put: bool) -> None:
    location, sent = repository.start(), 0
    for chunk in CHUNKS[: 2 if is_last_on_put else 3]:
        answer = _patch(client, location, chunk, sent)
        location, sent = _location(answer), sent + len(chunk)
        assert answer["Range"] == f"0-{sent - 1}"
        status = client("GET", location)
        location = _location(status, 204)
        assert status["Range"] == f"0-{sent - 1}"
    rest = DATA[sent:]
    ranged = {"Content-Range": f"{sent}-{len(DATA) - 1}"} if rest else {}
    _is_stored(repository.finish(location, digests.of(DATA), rest, **ranged), repository)


@pytest.mark.parametrize(
    ("name", "first"), [("gap", 5000), ("repeat", 0), ("overlap", 3999), ("far", 10**12)]
)
@pytest.mark.parametrize("is_put", [False, True], ids=["patch", "put"])
def test_chunks_out_of_order_are_refused(
    client: Client, repository: Repository, name: str, first: int, is_put: bool
) -> None:
    location = _location(_patch(client, repository.start(), CHUNKS[0], 0))
    if is_put:
        ranged = {"Content-Range": f"{first}-{first + 3999}"}
        refused = repository.finish(location, digests.of(DATA), CHUNKS[1], **ranged)
    else:
        refused = _patch(client, location, CHUNKS[1], first)
    assert refused.status == 416, refused
    assert refused["Range"] in (None, "0-3999")
    status = client("GET", refused["Location"] or location)
    assert status["Range"] == "0-3999"
    location = _location(_patch(client, _location(status, 204), CHUNKS[1], 4000))
    last = {"Content-Range": f"8000-{len(DATA) - 1}"}
    _is_stored(repository.finish(location, digests.of(DATA), CHUNKS[2], **last), repository)


def test_a_first_chunk_that_is_not_the_first_is_refused(client: Client, repository: Repository) -> None:
    location = repository.start()
    assert _patch(client, location, CHUNKS[0], 1).status == 416
    location = _location(client("GET", location), 204)
    location = _location(_patch(client, location, DATA, 0))
    _is_stored(repository.finish(location, digests.of(DATA)), repository)


@pytest.mark.parametrize(
    "ranged", ["0-3998", "0-4000", "a-b", "0", "3-1", "-5", f"0-{10**20}", "bytes 0-3999/*"]
)
def test_a_range_that_lies_about_its_chunk_is_refused(
    client: Client, repository: Repository, ranged: str
) -> None:
    answer = client("PATCH", repository.start(), body=CHUNKS[0], headers={"Content-Range": ranged})
    assert answer.status in (400, 416), answer


def test_a_stream(client: Client, repository: Repository) -> None:
    location = _location(client("PATCH", repository.start(), body=CHUNKS))
    _is_stored(repository.finish(location, digests.of(DATA)), repository)


def test_several_streams_follow_each_other(client: Client, repository: Repository) -> None:
    location = repository.start()
    for chunk in CHUNKS:
        location = _location(client("PATCH", location, body=[chunk[:99], chunk[99:]]))
    _is_stored(repository.finish(location, digests.of(DATA)), repository)


def test_a_put_may_be_a_stream(repository: Repository) -> None:
    _is_stored(repository.finish(repository.start(), digests.of(DATA), CHUNKS), repository)


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_the_colon_may_be_bare_or_not(client: Client, repository: Repository, colon: str) -> None:
    location = repository.start()
    joint = "&" if "?" in location else "?"
    digest = digests.of(DATA).replace(":", colon)
    headers = {"Content-Type": "application/octet-stream"}
    _is_stored(client("PUT", f"{location}{joint}digest={digest}", body=DATA, headers=headers), repository)
    assert repository("GET", f"blobs/{digest}").status == 200


def test_the_empty_blob(client: Client, repository: Repository) -> None:
    _is_stored(repository.finish(repository.start(), digests.of(b"")), repository, b"")


def test_the_empty_blob_after_an_empty_patch(client: Client, repository: Repository) -> None:
    """As docker does it: a stream without a byte."""
    location = _location(client("PATCH", repository.start(), body=[]))
    _is_stored(repository.finish(location, digests.of(b"")), repository, b"")


def test_the_same_blob_again(repository: Repository) -> None:
    for _ in range(2):
        _is_stored(repository.finish(repository.start(), digests.of(DATA), DATA), repository)


@pytest.mark.parametrize(
    "digest",
    ["", "sha256", "sha256:", "sha256:abc", f"sha256:{'g' * 64}", f"sha256:{'A' * 64}", f"x:{'0' * 64}",
     f"md5:{'0' * 32}", f"sha256:{'0' * 65}", "sha256:" + "0" * 6000, "../etc/passwd", f"sha256:{'0' * 63}/"],
)  # fmt: skip
def test_malformed_digests_are_refused(client: Client, repository: Repository, digest: str) -> None:
    answer = repository.finish(repository.start(), digest, DATA)
    assert answer.status == 400, answer
    assert answer.codes[0] in ("DIGEST_INVALID", "UNSUPPORTED")


def test_a_put_without_a_digest_is_refused(client: Client, repository: Repository) -> None:
    answer = client("PUT", repository.start(), body=DATA)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]


@pytest.mark.parametrize("way", ["put", "post", "chunks", "last-on-put", "stream"])
def test_a_wrong_digest_stores_nothing(client: Client, repository: Repository, way: str) -> None:
    wrong = digests.of(DATA + b"!")
    if way == "post":
        answer = repository("POST", f"blobs/uploads/?digest={wrong}", body=DATA)
        if answer.status == 202:
            answer = repository.finish(_location(answer), wrong, DATA)
    else:
        location, rest = repository.start(), b""
        if way == "put":
            rest = DATA
        elif way == "stream":
            location = _location(client("PATCH", location, body=CHUNKS))
        else:
            location = _location(_patch(client, location, CHUNKS[0], 0))
            location = _location(_patch(client, location, CHUNKS[1], 4000))
            rest = CHUNKS[2] if way == "last-on-put" else rest
            if not rest:
                location = _location(_patch(client, location, CHUNKS[2], 8000))
        answer = repository.finish(location, wrong, rest)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]
    assert repository("HEAD", f"blobs/{wrong}").status == 404
    assert repository("HEAD", f"blobs/{digests.of(DATA)}").status == 404


def test_the_smallest_chunk_that_is_wished_for_is_a_number(repository: Repository) -> None:
    wished = repository("POST", "blobs/uploads/")["OCI-Chunk-Min-Length"]
    assert wished is None or int(wished) > 0


def test_a_mount_brings_a_blob_from_another_repository(repository: Repository, other: Repository) -> None:
    digest = other.push_blob(DATA)
    answer = repository("POST", f"blobs/uploads/?mount={digest}&from={other.name}")
    assert answer.status == 201
    _is_stored(answer, repository)


def test_a_mount_is_not_undone_by_a_deletion_elsewhere(repository: Repository, other: Repository) -> None:
    digest = other.push_blob(DATA)
    assert repository("POST", f"blobs/uploads/?mount={digest}&from={other.name}").status == 201
    assert other("DELETE", f"blobs/{digest}").status == 202
    assert repository("GET", f"blobs/{digest}").body == DATA


def test_a_mount_without_a_source_is_tried(repository: Repository, other: Repository) -> None:
    digest = other.push_blob(DATA)
    answer = repository("POST", f"blobs/uploads/?mount={digest}")
    if answer.status == 202:
        answer = repository.finish(_location(answer), digest, DATA)
    _is_stored(answer, repository)


@pytest.mark.parametrize("source", ["lab/nothing-here", "", "../..", "Lab", "other"])
def test_a_mount_of_what_is_not_there_opens_a_session(
    repository: Repository, other: Repository, source: str
) -> None:
    other.push_blob(b"something else")
    name = other.name if source == "other" else source
    data = repository.name.encode()
    asked = urllib.parse.urlencode({"mount": digests.of(data), "from": name})
    answer = repository("POST", f"blobs/uploads/?{asked}", authorization=repository_rights(repository))
    if source in ("../..", "Lab") and answer.status == 400:
        return
    assert repository.finish(_location(answer), digests.of(data), data).status == 201


def repository_rights(repository: Repository) -> str:
    """Return an authorization for the repository alone: the source may be no name at all."""
    return repository.client.authorization(f"/v2/{repository.name}/tags/list")


def test_the_state_of_a_session_is_told(client: Client, repository: Repository) -> None:
    location = repository.start()
    for size in (0, 1, 1000):
        if size:
            location = _location(client("PATCH", location, body=[b"x" * (size - (size > 1))]))
        answer = client("GET", location)
        assert answer.status == 204
        assert answer["Location"]
        if size:
            assert answer["Range"] == f"0-{size - 1}"


def test_a_session_can_be_given_up(client: Client, repository: Repository) -> None:
    location = _location(_patch(client, repository.start(), CHUNKS[0], 0))
    assert client("DELETE", location).status == 204
    for method in ("GET", "DELETE"):
        answer = client(method, location)
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]
    answer = client("PATCH", location, body=CHUNKS[1])
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    answer = repository.finish(location, digests.of(DATA), DATA)
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


def test_a_closed_session_is_unknown(client: Client, repository: Repository) -> None:
    location = repository.start()
    assert repository.finish(location, digests.of(DATA), DATA).status == 201
    answer = repository.finish(location, digests.of(DATA), DATA)
    assert answer.status == 404
    assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_a_session_of_another_repository_is_unknown(
    client: Client, repository: Repository, other: Repository
) -> None:
    other.push_blob(b"so that it exists")
    location = repository.start()
    elsewhere = location.replace(repository.name, other.name)
    assert client("PATCH", elsewhere, body=[DATA]).status == 404
    assert client("GET", elsewhere).status == 404
    assert client("PUT", with_digest(elsewhere, digests.of(DATA)), body=DATA).status == 404
    assert other("HEAD", f"blobs/{digests.of(DATA)}").status == 404


def test_other_algorithms_are_right_or_refused(repository: Repository) -> None:
    digest = f"sha512:{hashlib.sha512(DATA).hexdigest()}"
    answer = repository.finish(repository.start(), digest, DATA)
    if answer.status == 400:
        assert answer.codes[0] in ("DIGEST_INVALID", "UNSUPPORTED")
        return
    assert answer.status == 201
    assert answer["Docker-Content-Digest"] == digest
    assert repository("GET", f"blobs/{digest}").body == DATA
    wrong = f"sha512:{hashlib.sha512(b'').hexdigest()}"
    assert repository.finish(repository.start(), wrong, DATA).status == 400


def test_an_algorithm_may_be_announced(client: Client, repository: Repository) -> None:
    """End-4c: so that the registry hashes while the blob arrives."""
    answer = repository("POST", "blobs/uploads/?digest-algorithm=sha512")
    digest = f"sha512:{hashlib.sha512(DATA).hexdigest()}"
    location = _location(client("PATCH", _location(answer), body=CHUNKS))
    stored = repository.finish(location, digest)
    assert stored.status == 201
    assert repository("GET", f"blobs/{digest}").body == DATA


def test_an_announced_algorithm_that_is_unknown_is_refused(repository: Repository) -> None:
    answer = repository("POST", "blobs/uploads/?digest-algorithm=md4")
    assert answer.status == 400


def test_an_algorithm_that_was_not_announced_is_right_too(client: Client, repository: Repository) -> None:
    digest = f"sha512:{hashlib.sha512(DATA).hexdigest()}"
    location = _location(client("PATCH", repository.start(), body=CHUNKS))
    stored = repository.finish(location, digest)
    assert stored.status == 201
    assert repository("GET", f"blobs/{digest}").body == DATA
