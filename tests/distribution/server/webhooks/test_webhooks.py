"""Webhooks: who may make them, what arrives, in which order, how often, and where nothing ever goes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.api.client import Client
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.credentials import ANONYMOUS
from containerlab.distribution.endpoints import endpoint
from containerlab.distribution.exchange import Exchange
from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import SYSTEM, Identity, Level
from containerlab.distribution.server.upkeep.worker import Worker
from containerlab.distribution.server.webhooks import deliveries, targets, webhooks
from tests import registries
from tests.distribution.api.serving import as_user, served
from tests.distribution.server import work
from tests.distribution.server.receivers import Receiver, receiver, wait_until

DIGEST = "sha256:" + "a" * 64
MANAGER = Identity(name="ann", rights={"lab/": Level.MANAGE})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    yield found
    found.close()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def tell(
    registry: Registry, kind: events.Kind = "push", repository: str = "lab/base", tag: str = "1"
) -> None:
    with registry.database.writing() as connection:
        events.note(
            registry, connection, MANAGER, kind, repository=repository, tag=tag, digest=DIGEST, detail=""
        )


def make(registry: Registry, hook: Receiver, scope: str = "", **wishes: object) -> int:
    return webhooks.create(registry, SYSTEM, hook.url, scope, **wishes).webhook.id  # type: ignore[arg-type]


def statuses(registry: Registry, number: int) -> list[str]:
    return [each.status for each in webhooks.delivery_history(registry, SYSTEM, number).items]


def test_push_arrives_signed_as_a_cloud_event(registry: Registry, hook: Receiver) -> None:
    created = webhooks.create(registry, MANAGER, hook.url, "lab/")
    with Worker(registry):
        tell(registry)
        (got,) = hook.wait(1)
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.json["type"] == "io.containerlab.registry.push"
    assert got.json["subject"] == "lab/base:1"
    assert got.json["specversion"] == "1.0"
    target = got.json["data"]["target"]
    assert (target["repository"], target["tag"], target["digest"]) == ("lab/base", "1", DIGEST)
    assert got.json["data"]["actor"] == {"name": "ann"}
    is_genuine = documented_check()
    headers = {name.title(): value for name, value in got.headers.items()}
    assert is_genuine(created.secret, headers, got.body)
    assert not is_genuine(created.secret, headers, got.body + b" ")
    assert not is_genuine("another secret", headers, got.body)
    assert not is_genuine(created.secret, {**headers, "X-Containerlab-Timestamp": "5"}, got.body)


def documented_check() -> Callable[[str, dict[str, str], bytes], bool]:
    """Return the function that the documentation gives to receivers."""
    text = (Path(__file__).parents[4] / "docs" / "registry-partners.md").read_text()
    found: dict[str, Callable[[str, dict[str, str], bytes], bool]] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], found)
    return found["is_genuine"]


def test_docker_format_is_what_receivers_of_docker_read(registry: Registry, hook: Receiver) -> None:
    make(registry, hook, format="docker")
    with Worker(registry):
        tell(registry, "tag.delete")
        tell(registry)
        (event,) = hook.wait(2)[0].json["events"]
    assert event["action"] == "delete"
    assert event["target"]["url"].endswith(f"/v2/lab/base/manifests/{DIGEST}")


def test_only_what_is_wished_for_arrives(registry: Registry, hook: Receiver) -> None:
    make(registry, hook, "lab/base", kinds=("delete",))
    with Worker(registry):
        tell(registry, "push")
        tell(registry, "delete", "lab/base2")
        tell(registry, "delete", "lab/base")
        (got,) = hook.wait(1)
        assert got.json["data"]["target"]["repository"] == "lab/base"
        wait_until(lambda: statuses(registry, 1) == ["delivered"])


def test_what_happened_before_is_not_told(registry: Registry, hook: Receiver) -> None:
    tell(registry, tag="before")
    make(registry, hook)
    with Worker(registry):
        tell(registry, tag="after")
        assert hook.wait(1)[0].json["subject"] == "lab/base:after"


@pytest.mark.slow
def test_order_is_kept_over_failures(registry: Registry, hook: Receiver) -> None:
    hook.answers = [(500, {}), (503, {"Retry-After": "1"})]
    number = make(registry, hook)
    with Worker(registry):
        for tag in ("1", "2", "3"):
            tell(registry, tag=tag)
        got = hook.wait(5)
        assert [each.json["subject"][-1] for each in got] == ["1", "1", "1", "2", "3"]
        assert len({each.body for each in got[:3]}) == 1, "every attempt is the same event"
        wait_until(lambda: statuses(registry, number) == ["delivered"] * 3)


@pytest.mark.slow
def test_slow_receiver_holds_up_nobody(registry: Registry, hook: Receiver) -> None:
    with receiver() as slow:
        slow.gate.clear()
        make(registry, slow)
        make(registry, hook)
        with Worker(registry):
            for tag in ("1", "2"):
                tell(registry, tag=tag)
            slow.wait(1)
            hook.wait(2)
        assert len(slow.got) == 1
    assert statuses(registry, 1) == ["waiting", "waiting"], "it is sent again by the next server"


@pytest.mark.slow
def test_refused_event_is_given_up_and_the_next_one_sent(registry: Registry, hook: Receiver) -> None:
    hook.answers = [(410, {})]
    number = make(registry, hook)
    with Worker(registry):
        tell(registry)
        tell(registry)
        hook.wait(2)
        wait_until(lambda: statuses(registry, number) == ["delivered", "failed"])


def test_redirect_is_not_followed(registry: Registry, hook: Receiver) -> None:
    with receiver() as elsewhere:
        hook.answers = [(307, {"Location": elsewhere.url})]
        number = make(registry, hook)
        found = webhooks.test(registry, SYSTEM, number)
        assert (found.status, found.code) == ("failed", 307)
        assert not elsewhere.got


def test_accepted_is_accepted_whatever_the_answer_looks_like(registry: Registry, hook: Receiver) -> None:
    hook.answers = [(200, {"Content-Length": "5000", "X": "y"})]
    found = webhooks.test(registry, SYSTEM, make(registry, hook))
    assert (found.status, found.code) == ("delivered", 200)


def test_test_tells_how_it_went(registry: Registry, hook: Receiver) -> None:
    number = make(registry, hook)
    assert webhooks.test(registry, SYSTEM, number).status == "delivered"
    assert hook.got[0].headers["x-containerlab-event"] == "ping"


@pytest.mark.slow
def test_redelivery_has_the_same_event_id(registry: Registry, hook: Receiver) -> None:
    number = make(registry, hook)
    with Worker(registry):
        tell(registry)
        hook.wait(1)
        wait_until(lambda: statuses(registry, number) == ["delivered"])
        (first,) = webhooks.delivery_history(registry, SYSTEM, number).items
        webhooks.redeliver(registry, SYSTEM, number, first.id)
        one, two = hook.wait(2)
    assert one.body == two.body
    assert one.headers["x-containerlab-delivery"] != two.headers["x-containerlab-delivery"]


def test_history_keeps_what_waits_and_a_hundred_of_the_rest(registry: Registry, hook: Receiver) -> None:
    number = make(registry, hook)
    for _ in range(3):
        webhooks.test(registry, SYSTEM, number)
    with registry.database.writing() as connection:
        connection.executemany(
            "INSERT INTO deliveries (webhook, event, kind, body, created) VALUES (?, 0, 'ping', '', 0)",
            [(number,)] * 200,
        )
    tell(registry)
    deliveries.enqueue(registry)
    assert len(deliveries.listed(registry, number)) == 101


def test_of_too_many_that_wait_the_oldest_are_given_up(
    registry: Registry, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_MOST_WAITING", 3)
    number = make(registry, hook)
    for tag in "12345":
        tell(registry, tag=tag)
    deliveries.enqueue(registry)
    assert statuses(registry, number) == ["waiting"] * 3 + ["failed"] * 2


def test_secret_is_shown_once(registry: Registry, hook: Receiver) -> None:
    created = webhooks.create(registry, SYSTEM, hook.url)
    shown = webhooks.inspect(registry, SYSTEM, created.webhook.id)
    assert created.secret
    assert created.secret not in repr(shown)
    assert registry.directory.stat().st_mode & 0o077 == 0


def test_update_changes_all_but_the_secret(registry: Registry, hook: Receiver) -> None:
    created = webhooks.create(registry, SYSTEM, hook.url, "lab/")
    changed = webhooks.update(registry, MANAGER, created.webhook.id, is_enabled=False)
    assert not changed.is_enabled
    tell(registry)
    deliveries.enqueue(registry)
    assert statuses(registry, created.webhook.id) == []


def test_removed_webhook_is_told_nothing_more(registry: Registry, hook: Receiver) -> None:
    number = make(registry, hook)
    tell(registry)
    deliveries.enqueue(registry)
    webhooks.remove(registry, SYSTEM, number)
    assert deliveries.due(registry) == []
    with pytest.raises(errors.NotFound):
        webhooks.inspect(registry, SYSTEM, number)


@pytest.mark.parametrize("scope", ["", "other/", "other/base"])
def test_nobody_is_told_of_what_they_do_not_manage(registry: Registry, hook: Receiver, scope: str) -> None:
    with pytest.raises(errors.NotPermitted):
        webhooks.create(registry, MANAGER, hook.url, scope)
    number = make(registry, hook, scope)
    assert webhooks.listed(registry, MANAGER).items == ()
    with pytest.raises(errors.NotFound):
        webhooks.delivery_history(registry, MANAGER, number)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://user:word@example.org/",
        "http://example.org:99999/",
        "http://",
        "http://a b/",
        "http://example.org/\r\nX: y",
        "http://" + "a" * 3000,
    ],
)
def test_senseless_urls_are_refused(registry: Registry, url: str) -> None:
    with pytest.raises(errors.InvalidInput):
        webhooks.create(registry, SYSTEM, url)


@pytest.mark.parametrize("scope", ["../", "Lab/", "lab/base/", "/", "a\n"])
def test_senseless_scopes_are_refused(registry: Registry, hook: Receiver, scope: str) -> None:
    with pytest.raises(errors.InvalidInput):
        webhooks.create(registry, SYSTEM, hook.url, scope)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://224.0.0.1/",
        "http://[fe80::1]/",
    ],
)
def test_addresses_inside_are_refused(tmp_path: Path, url: str) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home")))
    with pytest.raises(errors.NotPermitted):
        webhooks.create(registry, SYSTEM, url)
    registry.close()


def test_name_that_later_leads_inside_is_refused_then(
    registry: Registry, hook: Receiver, tmp_path: Path
) -> None:
    """DNS rebinding: the answer that counts is the one that the connection uses."""
    number = make(registry, hook)
    closed = Registry(Settings(storage=str(tmp_path / "home")))
    found = webhooks.test(closed, SYSTEM, number)
    assert found.status == "failed"
    assert "inside the network" in found.answer
    assert not hook.got
    closed.close()


def test_connection_goes_to_the_address_that_was_looked_at(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    real = socket.getaddrinfo

    def once(host: str, *rest: object, **named: object) -> object:
        asked.append(host)
        return real("127.0.0.1" if host == "hook.test" else host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    port = targets.parse(hook.url).port
    targets.connect(targets.parse(f"http://hook.test:{port}/"), 5, allows_private=True).close()
    assert asked == ["hook.test", "127.0.0.1"], "the name is resolved once, then only its address is used"


@pytest.mark.slow
def test_of_two_processes_one_sends_and_after_a_kill_the_other(
    registry: Registry, hook: Receiver, tmp_path: Path
) -> None:
    number = make(registry, hook)
    first = work.start(tmp_path / "home")
    tell(registry, tag="1")
    hook.wait(1)
    wait_until(lambda: statuses(registry, number) == ["delivered"])
    second = work.start(tmp_path / "home")
    hook.gate.clear()
    tell(registry, tag="2")
    hook.wait(2)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    hook.gate.set()
    got = hook.wait(3)
    assert [each.json["subject"][-1] for each in got] == ["1", "2", "2"], "unanswered, so sent again"
    wait_until(lambda: statuses(registry, number) == ["delivered"] * 2)
    work.end(second)
    assert len(hook.got) == 3


def test_over_http_as_python_calls_it(registry: Registry, hook: Receiver) -> None:
    with served(registry) as port:
        api = as_user(port, "ann").webhooks
        created = api.create(hook.url, "lab/base", kinds=("push",))
        assert api.test(created.webhook.id).status == "delivered"
        changed = api.update(created.webhook.id, is_enabled=False)
        assert (changed.is_enabled, changed.url, changed.kinds) == (False, hook.url, ("push",))
        assert api.list().items == (api.inspect(created.webhook.id),)
        assert as_user(port, "bob").webhooks.list().items == ()
        api.remove(created.webhook.id)
        assert api.list().items == ()
        with pytest.raises(errors.InvalidInput, match="kinds"):
            api.create(hook.url, "lab/", kinds=("pushed",))  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidInput, match="kinds"):
            api.create(hook.url, "lab/", kinds=())


@pytest.mark.slow
def test_server_says_by_which_url_it_is_reached(hook: Receiver, base: Path) -> None:
    inside = {"allows_private_targets": True}
    with registries.ours(base / "webhooks", auth="none", settings=inside) as running:
        with Exchange(endpoint(running.host), ANONYMOUS) as exchange:
            RegistryApi(Client(exchange)).webhooks.create(hook.url, kinds=("organization",))
            RegistryApi(Client(exchange)).organizations.create("lab")
        assert hook.wait(1)[0].json["source"] == running.url
