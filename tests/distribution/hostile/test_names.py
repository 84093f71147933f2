"""Section 6: names, tags, digests and sessions that try to be something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerlab.oci import digest as digests
from containerlab.oci.distribution import is_name, is_tag
from tests.distribution import documents
from tests.distribution.hostile.raw import dial
from tests.distribution.wire import Client, Repository
from tests.registries import Registry

pytestmark = pytest.mark.slow

CANARY = b"what lies outside of the store"
ESCAPES = [
    "../canary", "..%2fcanary", "%2e%2e/canary", "%2e%2e%2fcanary", "%252e%252e%252fcanary", "..%5ccanary",
    "..\\canary", "canary%00", "%00", "a%0d%0aInjected:%20yes", "a%0aInjected:%20yes", "a%0d%0a%0d%0abody",
    "....//canary", "%c0%ae%c0%ae/canary", "%u002e%u002e/canary", "/etc/passwd", "%2fetc%2fpasswd",
    "a/../../canary", "a;/../canary", "~root", "%ff%fe", "x%7f",
]  # fmt: skip
PLACES = {
    "name": "/v2/{}/manifests/1",
    "name-of-blob": "/v2/{}/blobs/sha256:" + "0" * 64,
    "tag": "/v2/{name}/manifests/{}",
    "digest": "/v2/{name}/blobs/{}",
    "digest-value": "/v2/{name}/blobs/sha256:{}",
    "referrers": "/v2/{name}/referrers/{}",
    "session": "/v2/{name}/blobs/uploads/{}",
}
EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _canary(registry: Registry) -> None:
    for place in (registry.storage, registry.storage.parent, registry.storage / "registry"):
        (place / "canary").write_bytes(CANARY)


@pytest.mark.parametrize("place", PLACES)
def test_no_way_leads_out_of_the_store(
    registry: Registry, client: Client, repository: Repository, refused: Any, place: str
) -> None:
    authorization = client.authorization("/v2/")
    with refused(lines=None):
        for escape in ESCAPES:
            path = PLACES[place].replace("{name}", repository.name).replace("{}", escape)
            for method in ("GET", "DELETE", "HEAD"):
                with dial(registry, authorization) as line:
                    line.send(line.head(f"{method} {path}", "Connection: close"))
                    status, headers, body = line.answer(method)
                assert status in (400, 404, 405), (method, path, status, body)
                assert "injected" not in headers, (path, headers)
                assert CANARY not in body


@pytest.mark.parametrize("field", ["mount", "from", "digest", "digest-algorithm"])
def test_no_way_leads_out_of_the_store_by_a_query(
    registry: Registry, client: Client, repository: Repository, field: str
) -> None:
    authorization = client.authorization("/v2/")
    known = digests.of(b"{}")
    for escape in ESCAPES:
        query = f"mount={known}&from={escape}" if field == "from" else f"{field}={escape}"
        with dial(registry, authorization) as line:
            path = f"/v2/{repository.name}/blobs/uploads/?{query}"
            line.send(line.head(f"POST {path}", "Content-Length: 0", "Connection: close"))
            status, headers, _ = line.answer("POST")
        assert status in (202, 400, 404), (path, status)
        assert "injected" not in headers, (path, headers)


@pytest.mark.parametrize("place", ["names", "tags", "digests"])
def test_refusals_are_quick_and_have_a_line_each(repository: Repository, refused: Any, place: str) -> None:
    client = repository.client
    bad = {
        "names": ["Lab", "a..b", "a___b", "-a", "a" * 4000, "/".join(["a"] * 2000), "a-" * 2000],
        "tags": [".a", "-a", "x" * 129, "x" * 6000, "a+b"],
        "digests": ["sha256:" + "0" * 6000, "sha256:" + "A" * 64, "x" * 7 + ":" + "0" * 64],
    }[place]
    for text in bad:
        path = {
            "names": f"/v2/{text}/tags/list",
            "tags": f"/v2/{repository.name}/manifests/{text}",
            "digests": f"/v2/{repository.name}/blobs/{text}",
        }[place]
        with refused():
            assert client("GET", path).status in (400, 404, 414)


@EXAMPLES
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_text_as_a_name(client: Client, name: str) -> None:
    from urllib.parse import quote

    answer = client("GET", f"/v2/{quote(name, safe='')}/tags/list")
    assert answer.status in (400, 404)
    if is_name(name):
        assert answer.codes == ["NAME_UNKNOWN"]


@EXAMPLES
@given(tag=st.one_of(st.text(max_size=140), st.from_regex(r"[a-zA-Z0-9._+:/-]{1,140}", fullmatch=True)))
def test_any_text_as_a_tag(repository: Repository, tag: str) -> None:
    from urllib.parse import quote

    path = quote(tag.encode("utf-8", "surrogatepass"), safe="")
    answer = repository.put(path, documents.image(), documents.OCI_MANIFEST)
    if is_tag(tag):
        assert answer.status == 201
        assert repository("DELETE", f"manifests/{path}").status == 202
    else:
        assert answer.status in (400, 404, 405)


@EXAMPLES
@given(
    digest=st.one_of(
        st.text(max_size=100),
        st.from_regex(r"(sha256|sha512|md5|sha1):[0-9a-fA-F]{0,130}", fullmatch=True),
    )
)
def test_any_text_as_a_digest(repository: Repository, digest: str) -> None:
    from urllib.parse import quote

    path = quote(digest.encode("utf-8", "surrogatepass"), safe="")
    for method in ("GET", "DELETE"):
        assert repository(method, f"blobs/{path}").status in (400, 404, 405)
    if digest:
        assert repository("POST", f"blobs/uploads/?digest={path}", body=b"x").status == 400


def test_a_line_of_the_log_cannot_be_forged(
    registry: Registry, client: Client, repository: Repository, refused: Callable[..., Any]
) -> None:
    forged = "a%0a2026-01-01%20INFO%20admin%20logged%20in%1b%5b31m"
    with refused():
        assert repository("GET", f"manifests/{forged}").status in (400, 404)
    with refused(lines=None), dial(registry, client.authorization("/v2/")) as line:
        agent = "User-Agent: x\x1b[31m\u00ff"
        line.send(line.head(f"GET /v2/{repository.name}/manifests/none", agent, "Connection: close"))
        assert line.answer()[0] in (400, 404)
    text = registry.log.read_bytes()
    assert b"\x1b" not in text
    assert not any(line.startswith(b"2026-01-01 INFO") for line in text.splitlines())
