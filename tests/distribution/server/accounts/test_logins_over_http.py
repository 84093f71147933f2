"""Accounts and tokens at a server that runs: what clients send, what attackers send."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from containerlab.distribution.credentials import Credentials
from containerlab.distribution.endpoints import endpoint
from containerlab.engine.registries.remote import RemoteRegistry
from tests import registries
from tests.distribution.server.grounds import basic

PASSWORD = "a long password"


class Answered(NamedTuple):
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def server(base: Path, request: pytest.FixtureRequest) -> Iterator[registries.Registry]:
    """Yield a registry of one process, and one of two."""
    with registries.ours(base / f"logins-{request.param}", workers=request.param) as server:
        yield server


@pytest.fixture
def admin(server: registries.Registry) -> Iterator[RemoteRegistry]:
    """Yield its nouns, for its administrator."""
    with RemoteRegistry(endpoint(server.host), Credentials(server.user, server.password)) as there:
        yield there


@pytest.fixture
def alice(admin: RemoteRegistry) -> Iterator[str]:
    """Yield a user who may write to lab."""
    admin.organizations.create("lab")
    admin.users.create("alice", PASSWORD)
    admin.rights.grant("alice", "lab/", "write")
    yield "alice"
    if "alice" in [user.name for user in admin.users.list().items]:
        admin.users.remove("alice")
    admin.organizations.remove("lab", force=True)


def _send(
    server: registries.Registry, method: str, path: str, body: str | None = None, **headers: str
) -> Answered:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return Answered(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def _token(server: registries.Registry, *scopes: str, name: str = "alice", **more: str) -> Any:
    query = urlencode([("service", "containerlab"), *(("scope", scope) for scope in scopes), *more.items()])
    return _send(server, "GET", f"/token?{query}", Authorization=basic(name, PASSWORD)).json


def _form(server: registries.Registry, **fields: str) -> Answered:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return _send(server, "POST", "/token", urlencode(fields), **kind)


def _begins(server: registries.Registry, authorization: str, name: str = "lab/app") -> int:
    """Return the status of beginning an upload."""
    return _send(server, "POST", f"/v2/{name}/blobs/uploads/", Authorization=authorization).status


def test_a_challenge_leads_to_a_token_and_a_push(server: registries.Registry, alice: str) -> None:
    refused = _send(server, "POST", "/v2/lab/app/blobs/uploads/")
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == (
        f'Bearer realm="{server.url}/token",service="containerlab",scope="repository:lab/app:pull,push"'
    )
    token = _token(server, "repository:lab/app:pull,push")["token"]
    assert _begins(server, f"Bearer {token}") == 202
    assert _begins(server, f"Bearer {token}", "lab/other") == 401
    assert _begins(server, f"Bearer {_token(server, 'repository:lab/app:pull')['token']}") == 401
    assert _begins(server, basic("alice", PASSWORD)) == 202


def test_a_token_that_others_made_is_refused(server: registries.Registry, alice: str) -> None:
    header, claims, signature = _token(server, "repository:lab/app:pull,push")["token"].split(".")
    for token in (f"{header}.{claims}.", f"{header}.{claims}.{signature[::-1]}", "x", "a" * 30_000):
        answer = _send(server, "POST", "/v2/lab/app/blobs/uploads/", Authorization=f"Bearer {token}")
        assert answer.status in (401, 431)
        if answer.status == 401:
            assert answer.json["errors"][0]["code"] == "UNAUTHORIZED"


def test_an_identity_token_works_until_it_is_revoked(
    server: registries.Registry, alice: str, admin: RemoteRegistry
) -> None:
    first = _token(server, offline_token="true", client_id="docker")
    fields = {
        "grant_type": "refresh_token",
        "scope": "repository:lab/app:pull,push",
        "service": "containerlab",
    }
    answer = _form(server, refresh_token=first["refresh_token"], **fields)
    assert answer.status == 200
    assert _begins(server, f"Bearer {answer.json['access_token']}") == 202
    admin.users.end_logins("alice")
    assert _begins(server, f"Bearer {answer.json['access_token']}") == 401
    assert _form(server, refresh_token=first["refresh_token"], **fields).status == 401
    assert _begins(server, basic("alice", PASSWORD)) == 202


@pytest.mark.parametrize("change", ["password", "disabled", "removed", "right"])
def test_what_is_taken_away_is_gone_with_the_next_request(
    server: registries.Registry, alice: str, admin: RemoteRegistry, change: str
) -> None:
    token = _token(server, "repository:lab/app:pull,push")["token"]
    headers = [f"Bearer {token}", basic("alice", PASSWORD)]
    for _ in range(4):  # each worker has seen and remembered both
        assert [_begins(server, header) for header in headers] == [202, 202]
    match change:
        case "password":
            admin.users.change_password("alice", "another password")
        case "disabled":
            admin.users.update("alice", is_disabled=True)
        case "removed":
            admin.users.remove("alice")
        case "right":
            admin.rights.revoke("alice", "lab/")
    for _ in range(4):
        assert [_begins(server, header) for header in headers] == [401, 403 if change == "right" else 401]


def test_a_public_repository_is_pulled_without_a_login(
    server: registries.Registry, alice: str, admin: RemoteRegistry
) -> None:
    admin.organizations.update("lab", is_public=True)
    assert _begins(server, basic("alice", PASSWORD)) == 202
    digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path = f"/v2/lab/app/blobs/uploads/?digest={digest}"
    assert _send(server, "POST", path, "", Authorization=basic("alice", PASSWORD)).status == 201
    answer = _send(server, "GET", "/token?scope=repository:lab/app:pull,push")
    assert answer.json["scope"] == "repository:lab/app:pull"
    for headers in ({}, {"Authorization": f"Bearer {answer.json['token']}"}):
        assert _send(server, "GET", f"/v2/lab/app/blobs/{digest}", **headers).status == 200
        assert _send(server, "POST", "/v2/lab/app/blobs/uploads/", **headers).status == 401


def test_guessing_is_slowed_down_in_all_workers_and_whatever_a_header_says(
    server: registries.Registry, admin: RemoteRegistry
) -> None:
    name = "guessed"
    admin.users.create(name, PASSWORD)
    statuses = []
    for number in range(24):
        header = basic(name, f"guess {number}")
        where = f"198.51.100.{number}"
        answer = _send(server, "GET", "/v2/", Authorization=header, X_Forwarded_For=where)
        statuses.append(answer.status)
    assert statuses == [401] * 10 + [429] * 14
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert answer.json["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert _send(server, "GET", "/v2/", Authorization=basic(name, PASSWORD)).status == 429
    found = admin.events.list(account=name, kind="login.refused").items
    assert {event.address for event in found} == {"127.0.0.1"}
    admin.users.change_password(name, "another password")
    assert _send(server, "GET", "/v2/", Authorization=basic(name, "another password")).status == 200


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !",
        "Basic " + "QUFB" * 300_000,
        basic("no colon", "")[:-4],
        "Bearer",
        "Negotiate x",
        "é",
    ],
    ids=range(7),
)
def test_what_is_no_login_is_refused(server: registries.Registry, header: str) -> None:
    try:
        status = _send(server, "GET", "/v2/", Authorization=header.encode().decode("latin-1")).status
    except (BrokenPipeError, ConnectionResetError):  # it does not read a header without end
        return
    assert status in (400, 401, 431)


def test_the_token_endpoint_refuses_what_is_not_in_the_protocol(
    server: registries.Registry, alice: str
) -> None:
    assert _form(server, grant_type="client_credentials").status == 400
    assert _form(server, grant_type="password", username="alice", password="wrong").status == 401
    assert _form(server, grant_type="refresh_token", refresh_token="x").status == 401
    wrong = _send(server, "GET", "/token?service=other.example", Authorization=basic("alice", PASSWORD))
    assert wrong.status == 400
    many = urlencode([("scope", f"repository:lab/{number}:pull") for number in range(200)])
    assert _send(server, "GET", f"/token?{many}", Authorization=basic("alice", PASSWORD)).status == 400


@pytest.mark.system("skopeo")
@pytest.mark.slow
def test_skopeo_logs_in_with_a_temporary_login_and_an_identity_token(
    server: registries.Registry, alice: str, admin: RemoteRegistry, tmp_path: Path
) -> None:
    admin.organizations.update("lab", is_public=False)
    with RemoteRegistry(endpoint(server.host), Credentials("alice", PASSWORD)) as there:
        secret = there.logins.create(valid_s=600).secret
    auth = str(tmp_path / "auth.json")
    words = ["skopeo", "login", "--authfile", auth, "--tls-verify=false", "-u", "alice", "--password-stdin"]
    subprocess.run([*words, server.host], input=secret, check=True, capture_output=True, text=True)
    token = _token(server, offline_token="true")["refresh_token"]
    (tmp_path / "identity.json").write_text(
        json.dumps({"auths": {server.host: {"auth": "YWxpY2U6", "identitytoken": token}}})
    )
    _push_something(server)
    for file in (auth, str(tmp_path / "identity.json")):
        said = subprocess.run(
            [
                "skopeo",
                "list-tags",
                "--authfile",
                file,
                "--tls-verify=false",
                f"docker://{server.host}/lab/app",
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(tmp_path)},
            check=False,
        )
        assert json.loads(said.stdout)["Tags"] == ["one"], said.stderr


def _push_something(server: registries.Registry) -> None:
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    answer = _send(
        server,
        "PUT",
        "/v2/lab/app/manifests/one",
        json.dumps(manifest),
        Authorization=basic("alice", PASSWORD),
        Content_Type="application/vnd.oci.image.index.v1+json",
    )
    assert answer.status == 201
