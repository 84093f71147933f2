"""Section 6: uploads whose pieces do not fit, one session for two, one blob for eight."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.hostile.raw import dial
from tests.distribution.wire import Client, Repository
from tests.registries import Registry

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 64
EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

_USUALLY_RIGHT = st.sampled_from([0, 0, 0, 0, 1, -1])


@EXAMPLES
@given(
    chunks=st.lists(
        st.tuples(_USUALLY_RIGHT, st.integers(1, 3000), _USUALLY_RIGHT),
        max_size=6,
    )
)
def test_a_session_has_just_what_it_took(repository: Repository, chunks: list[tuple[int, int, int]]) -> None:
    """Chunks begin `shift` bytes beside where they should, and say that they are `lie` bytes longer."""
    client, location, have = repository.client, repository.start(), 0
    for shift, size, lie in chunks:
        first = max(0, have + shift)
        data = DATA[first : first + size]
        ranged = {"Content-Range": f"{first}-{first + len(data) - 1 + lie}"}
        answer = client("PATCH", location, body=data, headers=ranged)
        if answer.status == 202:
            assert first == have
            assert lie == 0
            have += len(data)
        else:
            assert first != have or lie or not data
            assert answer.status in (400, 416)
            answer = client("GET", location)
        location = str(answer["Location"])
        assert not have or answer["Range"] == f"0-{have - 1}"
    assert repository.finish(location, digests.of(DATA[:have])).status == 201
    assert repository("GET", f"blobs/{digests.of(DATA[:have])}").body == DATA[:have]


@EXAMPLES
@given(
    asked=st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
        st.from_regex(r"bytes=[0-9,-]{0,25}", fullmatch=True),
        st.from_regex(r"bytes=[0-9]{1,24}-[0-9]{0,24}", fullmatch=True),
    )
)
def test_any_range_is_right_or_none(repository: Repository, asked: str) -> None:
    digest = repository.push_blob(DATA[:500])
    answer = repository("GET", f"blobs/{digest}", headers={"Range": asked})
    if answer.status == 206 and (answer["Content-Range"] or "").startswith("bytes "):
        first, last = (answer["Content-Range"] or "").removeprefix("bytes ").partition("/")[0].split("-")
        assert answer.body == DATA[int(first) : int(last) + 1]
    elif answer.status == 200:
        assert answer.body == DATA[:500]
    else:
        assert answer.status in (206, 400, 416)


@EXAMPLES
@given(asked=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_any_range_of_a_chunk_stores_nothing_wrong(repository: Repository, asked: str) -> None:
    client, location = repository.client, repository.start()
    answer = client("PATCH", location, body=DATA[:100], headers={"Content-Range": asked})
    assert answer.status in (202, 400, 416)
    if answer.status == 202:
        assert asked.strip() in ("0-99", "")


def test_eight_push_one_blob(client: Client, repository: Repository) -> None:
    digest = digests.of(DATA)

    def push(_: int) -> int:
        return repository.finish(repository.start(), digest, DATA).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(push, range(32))) == [201] * 32
    assert repository("GET", f"blobs/{digest}").body == DATA


def test_a_blob_that_is_pushed_and_deleted_at_once_is_whole_or_gone(repository: Repository) -> None:
    data = DATA + b"now and then"
    digest = digests.of(data)
    raw = documents.image(data)

    def push(_: int) -> tuple[int, int]:
        stored = repository.finish(repository.start(), digest, data).status
        return stored, repository.put("now", raw, documents.OCI_MANIFEST).status

    def delete(_: int) -> int:
        return repository("DELETE", f"blobs/{digest}").status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pushed, deleted = pool.map(push, range(16)), pool.map(delete, range(16))
        for stored, tagged in pushed:
            assert stored == 201
            assert tagged in (201, 400, 404)
        assert set(deleted) <= {202, 404, 403, 405, 409, 400}
    if repository("HEAD", "manifests/now").status == 200:
        assert repository("GET", f"blobs/{digest}").body == data
    else:
        assert repository("GET", f"blobs/{digest}").status in (200, 404)


def test_two_chunks_at_once_do_not_mix(registry: Registry, client: Client, repository: Repository) -> None:
    """One session, two that write: what was taken is what is there, or the digest is refused."""
    location = repository.start()
    path = location.partition(registry.host)[2] or location
    one, two = b"1" * 100_000, b"2" * 100_000
    with dial(registry, client.authorization("/v2/")) as first:
        first.send(first.head(f"PATCH {path}", f"Content-Length: {len(one)}") + one[:50_000])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            second = pool.submit(client, "PATCH", location, body=two)
            concurrent.futures.wait([second], timeout=1)
            first.send(one[50_000:])
            status, headers, _ = first.answer("PATCH")
            other = second.result()
    answers = [(status, headers.get("range", ""), one), (other.status, other["Range"] or "", two)]
    assert {each[0] for each in answers} <= {202, 404, 409, 416, 400}
    taken = sorted((int(until.partition("-")[2]), data) for status, until, data in answers if status == 202)
    assert taken
    answer = client("GET", location)
    assert answer.status == 204
    whole = b"".join(data for _, data in taken)
    assert repository.finish(str(answer["Location"]), digests.of(whole)).status == 201


def test_sessions_have_an_end_in_number(repository: Repository) -> None:
    """A user who opens session after session is told to wait, and can go on after giving one up."""
    locations = []
    for _ in range(1100):
        answer = repository("POST", "blobs/uploads/")
        if answer.status != 202:
            break
        locations.append(str(answer["Location"]))
    assert answer.status == 429
    assert answer.codes == ["TOOMANYREQUESTS"]
    assert int(answer["Retry-After"] or "") > 0
    for location in locations:
        assert repository.client("DELETE", location).status == 204
    assert repository("POST", "blobs/uploads/").status == 202


def test_a_session_that_is_no_session(repository: Repository, refused: Any) -> None:
    for name in ("x", "0" * 32, "A" * 400, "00000000-0000-0000-0000-000000000000"):
        path = f"blobs/uploads/{name}"
        for method, body in (("GET", None), ("PATCH", b"x"), ("DELETE", None)):
            with refused():
                answer = repository(method, path, body=body)
                assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
        with refused():
            answer = repository("PUT", f"{path}?digest={digests.of(DATA)}", body=DATA)
            assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
