"""Two organisations that must not learn of each other, and everybody who could try; asked without a socket.

`lab` is where the attackers are at home; all that is in `kanarie` is a secret to them, and every name, text
and byte of it has the word in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from containerlab.distribution.api.operation import PREFIX
from containerlab.distribution.api.replications import ReplicationPolicy
from containerlab.distribution.api.upstreams import UpstreamPolicy
from containerlab.distribution.server.accounts import proofs, robots, tokens, users
from containerlab.distribution.server.archives import archives
from containerlab.distribution.server.content import uploads
from containerlab.distribution.server.organizations import grants, organizations, repositories, sharing
from containerlab.distribution.server.page import sessions
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.replication import replications
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import immutability, retention
from containerlab.distribution.server.serving import app
from containerlab.distribution.server.upstreams import upstreams
from containerlab.distribution.server.webhooks import webhooks
from containerlab.oci import digest as digests
from containerlab.store.home import Home
from tests.distribution.server import grounds, pushing
from tests.distribution.server.grounds import PASSWORD, basic, logged_in

__all__ = ["CONFIG", "HOME", "SECRET", "WORD", "Answer", "World", "made"]

WORD = "kanarie"
SECRET, HOME = "kanarie/vogel", "lab/app"
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "author": "kanarie",
        "rootfs": {"type": "layers", "diff_ids": []},
    }
).encode()
DAY = 86400.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """All of it that says something."""
        said = {name: value for name, value in self.headers.items() if name not in ("date",)}
        return f"{self.status} {said} {self.body.decode('utf-8', 'replace')}"


class World(NamedTuple):
    """A registry and all who come to it, by what they send."""

    registry: Registry
    clock: grounds.Clock
    server: app.App
    loop: asyncio.AbstractEventLoop
    people: dict[str, dict[str, str]]
    theirs: dict[str, Any]
    """What is kanarie's, by the name of the parameter that could name it."""
    homely: dict[str, Any]
    """The same of lab."""

    def ask(
        self, person: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send a request as somebody."""
        sent = {"host": "registry.example", **self.people[person], **headers}
        if method not in ("GET", "HEAD", "DELETE") or body:
            sent["content-length"] = str(len(body))
        return self.loop.run_until_complete(self._asked(method, path, sent, body))

    async def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raw, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": "",
            "path": _decoded(raw), "raw_path": raw.encode(), "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (grounds.ADDRESS, 4711), "server": ("registry.example", 80),
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        told: list[Any] = []

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        await self.server(scope, receive, send)
        start = told[0]
        found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(each.get("body", b"") for each in told[1:]))

    def state(self) -> dict[str, list[Any]]:
        """Return all that is in the database, but for what every request may write."""
        with self.registry.reader.reading() as connection:
            names = [
                name
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if name not in _OWN and not name.startswith("sqlite_")
            ]
            return {
                name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
                for name in names
            }


_OWN = ("events", "attempts", "secrets", "promises")


def _decoded(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)


class _Examiner:
    """Finds in an image whatever is in its layers, as far as the store has them: the real ones do so too."""

    def __call__(self, home: Home, digest: str) -> bytes:
        from containerlab.store.images import Images

        images = Images(home)
        try:
            document = json.loads(images.blobs.read(digest))
            texts = [
                images.blobs.read(part["digest"]).decode("utf-8", "replace")
                for part in (document["config"], *document["layers"])
            ]
        finally:
            images.close()
        found = {"kind": "text", "severity": "high", "path": "/x", "layer": 1, "value": "".join(texts)}
        return json.dumps([found]).encode()

    def stop(self) -> None:
        """Nothing goes on."""


@contextmanager
def made(home: Path) -> Iterator[World]:
    """Make a world."""
    clock = grounds.Clock()
    with grounds.opened(home, clock, allows_private_targets=True) as registry:
        registry.examiners = {"audit": _Examiner()}
        admin = logged_in(registry)
        theirs, homely = (_organization(registry, admin, name) for name in (SECRET, HOME))
        _beside(registry, admin, theirs, homely)
        people = _people(registry, admin)
        loop = asyncio.new_event_loop()
        try:
            yield World(registry, clock, app.create(registry), loop, people, theirs, homely)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


def _organization(registry: Registry, admin: Identity, repository: str) -> dict[str, Any]:
    """Make an organisation with one of everything; return how each is named."""
    name, _, short = repository.partition("/")
    organizations.create(registry, admin, name, description=f"about {name}")
    scope, owner = f"{name}/", f"{short}-owner"
    users.create(registry, admin, owner, PASSWORD)
    grants.grant(registry, admin, owner, scope, "manage")
    who = logged_in(registry, owner)
    layer, config = f"layer of {name}".encode(), CONFIG.replace(b"kanarie", name.encode())
    raw = pushing.push(registry, who, repository, f"tag-{name}", "v1", layers=[layer], config=config)
    repositories.update(registry, who, repository, description=f"described by {name}", category=name)
    hook = webhooks.create(registry, who, f"http://127.0.0.1:9/{name}", repository, kinds=("login",))
    robot = robots.create(registry, who, name, f"{name}-ci", level="manage")
    users.create(registry, admin, f"{name}-friend", PASSWORD)
    sharing.share(registry, who, repository, f"{name}-friend", until=registry.now() + DAY)
    rule = immutability.set_rule(registry, who, repository, tags=(f"{name}-*",))
    kept = retention.set_rule(registry, who, repository, keep_last=5, tags=(f"{name}-*",))
    archive = archives.begin(registry, who, repository, 10, tag=name)
    proofs.log_in_temporarily(registry, who)
    return {
        "organization": name, "repository": repository, "scope": scope, "user": f"{name}-friend",
        "robot": robot.robot.name, "account": f"{name}-friend", "tag": f"tag-{name}",
        "manifest": digests.of(raw), "layer": digests.of(layer), "config": digests.of(config),
        "webhook": hook.webhook.id, "immutability": rule.id, "retention": kept.id, "archive": archive.id,
        "upload": uploads.begin(registry, who, repository),
        "login": proofs.listed(registry, who).items[0].id,
    }  # fmt: skip


def _beside(registry: Registry, admin: Identity, *places: dict[str, Any]) -> None:
    """Set up what only administrators do, with the names of each organisation in it."""
    for place in places:
        name = place["organization"]
        made = replications.create(
            registry,
            admin,
            ReplicationPolicy(registry="127.0.0.1:9", repositories=f"{name}/*", username=name, password=name),
        )
        upstream = upstreams.create(
            registry,
            admin,
            UpstreamPolicy(registry="127.0.0.1:9", prefix=f"{name}-hub", username=name, password=name),
        )
        place |= {"replication": made.id, "upstream": upstream.id}


def _people(registry: Registry, admin: Identity) -> dict[str, dict[str, str]]:
    """Return what each of those sends who have nothing to do with kanarie."""
    for name, level in (("reader", "read"), ("writer", "write"), ("manager", "manage")):
        users.create(registry, admin, name, PASSWORD)
        grants.grant(registry, admin, name, "lab/", level)
    for name in ("stranger", "guest"):
        users.create(registry, admin, name, PASSWORD)
    grants.grant(registry, admin, "guest", HOME, "read")
    grants.grant(registry, admin, "vogel-owner", HOME, "manage")
    manager, owner = logged_in(registry, "manager"), logged_in(registry, "vogel-owner")
    robot = robots.create(registry, manager, "lab", "machine", level="manage")
    temporary = proofs.log_in_temporarily(registry, manager)
    key = sessions.start(registry, manager)
    everything = f"repository:{HOME}:pull,push,delete"
    return {
        "anonymous": {},
        **{
            name: {"authorization": basic(name, PASSWORD)}
            for name in ("stranger", "guest", "reader", "writer", "manager")
        },
        "robot": {"authorization": basic(robot.robot.name, robot.secret)},
        "temporary": {"authorization": basic(temporary.account, temporary.secret)},
        "session": {"cookie": f"conlab={key}", "x-csrf-token": sessions.token(key)},
        "api token": _bearer(registry, manager, tokens.ALL),
        "token": _bearer(registry, manager, everything),
        "listing token": _bearer(registry, manager, everything, tokens.CATALOG),
        "owner's token": _bearer(registry, owner, everything),
        "admin's token": _bearer(registry, admin, everything),
        "owner": {"authorization": basic("vogel-owner", PASSWORD)},
        "admin": {"authorization": basic("admin", PASSWORD)},
    }


def _bearer(registry: Registry, who: Identity, *scopes: str) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens.issue(registry, who, scopes).token}"}


def path_of(template: str, values: Mapping[str, Any]) -> str:
    """Fill the path of an operation."""
    return PREFIX + template.format_map({key: quote(str(value), safe="") for key, value in values.items()})
