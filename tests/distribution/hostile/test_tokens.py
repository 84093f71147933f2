"""Section 6: tokens that somebody has changed, and logins that somebody guesses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.distribution import documents
from tests.distribution.wire import Answer, Client, connected
from tests.registries import PASSWORD, Registry

pytestmark = pytest.mark.slow

REPOSITORY = "lab/tokens"
PULL, PUSH = f"repository:{REPOSITORY}:pull", f"repository:{REPOSITORY}:pull,push"


@pytest.fixture(scope="module")
def bearer(base: Path) -> Iterator[Registry]:
    with registries.ours(base / "hostile-bearer", auth="bearer") as running:
        yield running


@pytest.fixture(scope="module")
def client(bearer: Registry) -> Iterator[Client]:
    """A client of this registry, which has an image."""
    with connected(bearer) as client:
        repository = client.repository(REPOSITORY)
        repository.push_blob(documents.EMPTY)
        assert repository.put("one", documents.image(), documents.OCI_MANIFEST).status == 201
        yield client


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    return (json.loads(_unpack(head)), json.loads(_unpack(body)))


def _unpack(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _pack(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signed(head: object, body: object, key: bytes) -> str:
    text = f"{_pack(head)}.{_pack(body)}"
    return f"{text}.{_pack(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def _pull(client: Client, token: str) -> Answer:
    return client("GET", f"/v2/{REPOSITORY}/manifests/one", authorization=f"Bearer {token}")


def _ask(client: Client, **query: Any) -> Answer:
    """Ask for a token as the administrator."""
    pair = base64.b64encode(f"{client.registry.user}:{client.registry.password}".encode()).decode()
    realm = client.challenge().parameters["realm"]
    return client("GET", f"{realm}?{urlencode(query, doseq=True)}", authorization=f"Basic {pair}")


def test_a_token_opens_what_it_is_for(client: Client) -> None:
    token = client.token(PULL)
    assert _pull(client, token).status == 200
    push = client("POST", f"/v2/{REPOSITORY}/blobs/uploads/", authorization=f"Bearer {token}")
    assert push.status in (401, 403)
    assert push.codes[0] in ("UNAUTHORIZED", "DENIED")
    other = client("GET", "/v2/lab/other/manifests/one", authorization=f"Bearer {token}")
    assert other.status in (401, 403, 404)


def test_changed_tokens_open_nothing(client: Client) -> None:
    token = client.token(PULL)
    head, body = _parts(token)
    signature = token.rpartition(".")[2]
    wide = json.loads(json.dumps(body).replace('"pull"', '"push"'))
    others = [
        f"{_pack({**head, 'alg': 'none'})}.{_pack(body)}.",
        f"{_pack({**head, 'alg': 'None'})}.{_pack(body)}.{signature}",
        f"{_pack({**head, 'alg': ['HS256']})}.{_pack(body)}.{signature}",
        f"{_pack(head)}.{_pack(wide)}.{signature}",
        f"{_pack(head)}.{_pack({**body, 'exp': 2**62})}.{signature}",
        f"{_pack(head)}.{_pack({**body, 'sub': 'root'})}.{signature}",
        _signed({**head, "jwk": {"kty": "oct", "k": _pack(b"mine")}}, body, b"mine"),
        _signed({**head, "jku": f"{client.registry.url}/keys", "kid": "../../dev/null"}, body, b""),
        _signed({**head, "kid": "' OR 1=1 --"}, body, b"mine"),
        _signed(head, body, b""),
        _signed(head, body, b"secret"),
        token[:-2],
        token + "A",
        token + ".x",
        token.replace(".", "", 1),
        "",
        "x",
        "..",
        "." * 5000,
        _pack(b"[" * 100_000) + "." + _pack(b"[" * 100_000) + ".",
        "x" * 20_000,
        "\x00",
    ]
    for changed in others:
        if "\x00" not in changed:
            answer = _pull(client, changed)
            assert answer.status in (400, 401, 431), (changed[:80], answer)
            assert answer.status != 401 or answer["WWW-Authenticate"]
    assert _pull(client, token).status == 200


def test_a_token_of_another_registry_opens_nothing(client: Client, base: Path) -> None:
    with (
        registries.ours(base / "hostile-other", auth="bearer") as registry,
        connected(registry) as other,
    ):
        stranger = other.token(PULL)
    assert _pull(client, stranger).status == 401


@pytest.mark.parametrize("kind", ["Basic", "Bearer", "Digest", "Negotiate", ""])
@pytest.mark.parametrize("value", ["", "x", "=", ":", "%%%", "Og==", "x" * 9000, "eA==", "\u00e4"])
def test_strange_authorizations_open_nothing(client: Client, kind: str, value: str) -> None:
    answer = client("GET", f"/v2/{REPOSITORY}/manifests/one", authorization=f"{kind} {value}")
    assert answer.status in (400, 401, 429, 431), answer


def test_the_answer_has_what_clients_read(client: Client) -> None:
    answer = _ask(client, service=client.challenge().parameters["service"], scope=PULL).json
    assert answer["token"]
    assert answer.get("access_token", answer["token"]) == answer["token"]
    assert answer["expires_in"] >= 60
    issued = time.strptime(answer["issued_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert issued.tm_year >= 2026


def test_several_scopes_are_one_token(client: Client) -> None:
    """As a mount needs it; docker repeats the parameter, others join with a space."""
    second = "repository:lab/tokens-2:pull,push"
    service = client.challenge().parameters["service"]
    for scopes in ([PULL, second], [f"{PULL} {second}"]):
        token = _ask(client, service=service, scope=scopes, client_id="docker").json["token"]
        assert _pull(client, token).status == 200
        digest = digests.of(documents.EMPTY)
        mounted = client(
            "POST",
            f"/v2/lab/tokens-2/blobs/uploads/?mount={digest}&from={REPOSITORY}",
            authorization=f"Bearer {token}",
        )
        assert mounted.status == 201


def test_a_mount_without_the_right_to_read_is_as_if_nothing_were_there(client: Client) -> None:
    token = client.token("repository:lab/tokens-3:pull,push")
    digest = digests.of(documents.EMPTY)
    hidden = client(
        "POST",
        f"/v2/lab/tokens-3/blobs/uploads/?mount={digest}&from={REPOSITORY}",
        authorization=f"Bearer {token}",
    )
    nothing = client(
        "POST",
        f"/v2/lab/tokens-3/blobs/uploads/?mount={digests.of(b'no')}&from=lab/nothing",
        authorization=f"Bearer {token}",
    )
    assert hidden.status == nothing.status == 202
    assert hidden.headers.keys() == nothing.headers.keys()
    found = client("HEAD", f"/v2/lab/tokens-3/blobs/{digest}", authorization=f"Bearer {token}")
    assert found.status == 404


@pytest.mark.parametrize(
    "scope", ["", "x", "repository", "repository::pull", "repository:../x:pull", "repository:a:fly",
              "repository:a:*", f"repository:{'a' * 4000}:pull", "registry:catalog:pull", "x:y:z", ":" * 50,
              "repository:lab/tokens:pull,,,push", "repository(class):lab/x:pull", "repository:Lab:pull"]
)  # fmt: skip
def test_strange_scopes_have_an_answer_and_open_nothing_more(client: Client, scope: str) -> None:
    service = client.challenge().parameters["service"]
    answer = _ask(client, service=service, scope=scope)
    assert answer.status in (200, 400), answer
    if answer.status == 200:
        token = answer.json["token"]
        assert client("GET", "/v2/lab/other/tags/list", authorization=f"Bearer {token}").status in (
            401,
            403,
            404,
        )
        assert client("GET", "/v2/a/tags/list", authorization=f"Bearer {token}").status in (401, 403, 404)


def test_a_thousand_scopes_have_an_answer(client: Client) -> None:
    service = client.challenge().parameters["service"]
    assert _ask(client, service=service, scope=[PULL] * 1000).status in (200, 400, 413, 414)


def test_an_identity_token_fetches_others(client: Client) -> None:
    """As `docker login` keeps it: user `<token>`, then grant_type=refresh_token."""
    service = client.challenge().parameters["service"]
    refresh = _ask(client, service=service, offline_token="true", client_id="docker").json["refresh_token"]
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "service": service,
        "scope": PULL,
        "client_id": "docker",
    }
    answer = _post(client, form)
    assert answer.status == 200
    assert _pull(client, answer.json["access_token"]).status == 200
    for changed in (refresh[:-1], refresh + "x", "", "x" * 10_000, f"{refresh}\x00"):
        assert _post(client, {**form, "refresh_token": changed}).status in (400, 401, 429)


def test_a_password_fetches_a_token_by_a_form(client: Client) -> None:
    service = client.challenge().parameters["service"]
    form = {
        "grant_type": "password",
        "username": client.registry.user,
        "password": client.registry.password,
        "service": service,
        "scope": PULL,
        "client_id": "docker",
        "access_type": "offline",
    }
    answer = _post(client, form)
    assert answer.status == 200
    assert answer.json["refresh_token"]
    assert _pull(client, answer.json["access_token"]).status == 200
    assert _post(client, {**form, "password": "wrong"}).status in (400, 401, 429)
    for kind in ("", "code", "client_credentials"):
        assert _post(client, {**form, "grant_type": kind}).status in (400, 401)
    assert _post(client, {}).status in (400, 401)


def _post(client: Client, form: dict[str, str]) -> Answer:
    realm = client.challenge().parameters["realm"]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return client("POST", realm, body=urlencode(form).encode(), headers=headers, authorization="")


def test_guessing_is_slowed_down(base: Path) -> None:
    with (
        registries.ours(base / "hostile-guessed", auth="basic") as registry,
        connected(registry, None) as guesser,
    ):
        answers = []
        for number in range(60):
            pair = base64.b64encode(f"{registry.user}:guess {number}".encode()).decode()
            answers.append(guesser("GET", "/v2/", authorization=f"Basic {pair}"))
            if answers[-1].status == 429:
                break
        assert {each.status for each in answers} == {401, 429}
        assert answers[-1].codes == ["TOOMANYREQUESTS"]
        assert int(answers[-1]["Retry-After"] or "") > 0


def test_a_password_of_a_megabyte_is_refused(client: Client) -> None:
    """By the server's limit on heads, or as wrong; a form may carry it whole."""
    pair = base64.b64encode(b"admin:" + b"x" * (1 << 20)).decode()
    try:
        answer = client("GET", "/v2/", authorization=f"Basic {pair}")
    except (ConnectionError, OSError):
        client.close()
    else:
        assert answer.status in (400, 401, 413, 431)
    form = {"grant_type": "password", "username": "nobody", "password": "x" * (1 << 20), "service": "x"}
    assert _post(client, form).status in (400, 401, 413, 429)


def test_passwords_are_in_no_log(client: Client, bearer: Registry) -> None:
    pair = base64.b64encode(b"admin:a secret that was mistyped").decode()
    assert client("GET", "/v2/", authorization=f"Basic {pair}").status in (401, 429)
    form = {"grant_type": "password", "username": "admin", "password": "another secret", "service": "x"}
    assert _post(client, form).status in (400, 401, 429)
    text = bearer.log.read_text()
    for secret in (pair, "a secret that was", "another secret", "another+secret", client.token(PULL)):
        assert secret not in text
    assert bearer.password not in "".join(
        path.read_text(errors="replace")
        for path in (bearer.storage / "registry").rglob("*")
        if path.is_file()
    )
    assert PASSWORD
