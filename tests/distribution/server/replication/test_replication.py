"""Replication with real registries: ours and Debian's, pushed to and pulled from, failing and killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution.api.replications import ReplicationChange, ReplicationPolicy
from containerlab.distribution.credentials import Credentials
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.replication import replications
from containerlab.distribution.server.rights import SYSTEM, Identity, Level
from containerlab.distribution.server.upkeep.worker import Worker
from containerlab.oci import image as documents
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.api.serving import as_user, served
from tests.distribution.server import work
from tests.distribution.server.filling import fill, speaking
from tests.distribution.server.receivers import receiver, wait_until
from tests.image_layouts import Layout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    yield found
    found.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture(scope="module")
def other(base: Path) -> Iterator[registries.Registry]:
    """Another registry of ours, with passwords."""
    with registries.ours(base / "replication-ours", auth="bearer") as found:
        yield found


@pytest.fixture(scope="module")
def debian(base: Path) -> Iterator[registries.Registry]:
    with registries.debian(base / "replication-debian", auth="basic") as found:
        yield found


@pytest.fixture(params=["other", "debian"])
def partner(request: pytest.FixtureRequest) -> registries.Registry:
    if request.param == "debian":
        request.applymarker(pytest.mark.system("docker-registry"))
    found: registries.Registry = request.getfixturevalue(request.param)
    return found


def policy(partner: registries.Registry, prefix: str, **more: object) -> ReplicationPolicy:
    return ReplicationPolicy(
        registry=partner.host,
        prefix=prefix,
        username=partner.user,
        password=partner.password,
        **more,  # type: ignore[arg-type]
    )


def remote(partner: registries.Registry, repository: str) -> Remote:
    return Remote(
        Reference.parse(f"{partner.host}/{repository}"),
        for_push=True,
        credentials=Credentials(username=partner.user, password=partner.password),
    )


def is_whole(remote: Remote, reference: str) -> bool:
    document = remote.manifest(reference).document
    if isinstance(document, documents.Index):
        return all(is_whole(remote, each.digest) for each in document.manifests)
    return all(map(remote.has_blob, (document.config, *document.layers)))


def settled(registry: Registry, number: int) -> bool:
    return replications.inspect(registry, SYSTEM, number).waiting == 0


def details(registry: Registry, number: int) -> list[tuple[str, str]]:
    found = replications.copy_history(registry, SYSTEM, number).items
    return [(each.status, each.detail) for each in found]


@pytest.mark.slow
def test_what_is_pushed_is_there_with_platforms_and_signatures(
    registry: Registry, layout: Layout, partner: registries.Registry
) -> None:
    index = layout.index({"amd64": layout.image(), "arm64": layout.image(architecture="arm64")})
    made = replications.create(registry, SYSTEM, policy(partner, "whole", repositories="lab/*", tags="v*"))
    with Worker(registry):
        fill(registry, layout, "lab/base", ["v1"], index)
        fill(registry, layout, "lab/base", [], speaking(layout, index))
        fill(registry, layout, "lab/base", ["no"], layout.image(seed=1))
        fill(registry, layout, "other/base", ["v1"], layout.image(seed=2))
        with closing(remote(partner, "whole/lab/base")) as there:
            wait_until(lambda: there.head("v1"))
            wait_until(lambda: len(there.referrers(index.digest)) == 1)
            assert there.manifest("v1").descriptor.digest == index.digest
            assert is_whole(there, "v1")
            wait_until(lambda: settled(registry, made.id))
            assert list(there.tags()) == ["v1"] or partner.kind == "debian"
            assert there.head("no") is None
        with closing(remote(partner, "whole/other/base")) as there:
            assert there.head("v1") is None


@pytest.mark.slow
def test_run_copies_what_was_here_before_and_dry_run_only_says_so(
    registry: Registry, layout: Layout, other: registries.Registry
) -> None:
    fill(registry, layout, "lab/a", ["1", "2"], layout.image())
    made = replications.create(registry, SYSTEM, policy(other, "run", on_push=False))
    planned = replications.run(registry, SYSTEM, made.id, dry_run=True)
    assert [(each.repository, each.reference) for each in planned.items] == [("lab/a", "1"), ("lab/a", "2")]
    assert replications.inspect(registry, SYSTEM, made.id).waiting == 0
    with Worker(registry):
        replications.run(registry, SYSTEM, made.id)
        wait_until(lambda: settled(registry, made.id))
    with closing(remote(other, "run/lab/a")) as there:
        assert sorted(there.tags()) == ["1", "2"]
    assert {status for status, _ in details(registry, made.id)} == {"done"}


@pytest.mark.slow
def test_deletion_is_carried_over_when_that_is_wanted(
    registry: Registry, layout: Layout, other: registries.Registry
) -> None:
    keeping = replications.create(registry, SYSTEM, policy(other, "keeping"))
    replications.create(registry, SYSTEM, policy(other, "deleting", deletes=True))
    with Worker(registry):
        fill(registry, layout, "lab/a", ["1", "2"], layout.image())
        with closing(remote(other, "deleting/lab/a")) as there:
            wait_until(lambda: settled(registry, keeping.id) and there.head("1") and there.head("2"))
            manifests.delete(registry, SYSTEM, "lab/a", "1")
            wait_until(lambda: there.head("1") is None)
            assert there.head("2")
    with closing(remote(other, "keeping/lab/a")) as there:
        assert sorted(there.tags()) == ["1", "2"]


@pytest.mark.slow
def test_pull_brings_what_is_there_and_again_only_what_is_new(
    registry: Registry, layout: Layout, other: registries.Registry
) -> None:
    index = layout.index({"amd64": layout.image(), "arm64": layout.image(architecture="arm64")})
    fill(registry, layout, "lab/a", ["1", "2"], index)
    fill(registry, layout, "lab/a", [], speaking(layout, index))
    pushed = replications.create(registry, SYSTEM, policy(other, "source", on_push=False))
    pulled = replications.create(
        registry,
        SYSTEM,
        policy(other, "back", direction="pull", repositories="source/*", tags="1", every_s=60.0),
    )
    with Worker(registry):
        replications.run(registry, SYSTEM, pushed.id)
        wait_until(lambda: settled(registry, pushed.id))
        replications.run(registry, SYSTEM, pulled.id)
        wait_until(lambda: settled(registry, pulled.id))
        assert tags(registry, "back/source/lab/a") == ["1"]
        with registry.reader.reading() as connection:
            rows = connection.execute(
                "SELECT count(*) FROM manifests JOIN repositories ON id = repository WHERE name = ?",
                ("back/source/lab/a",),
            ).fetchone()
        assert rows[0] == 4, "an index, two images, and what speaks about it"
        replications.run(registry, SYSTEM, pulled.id)
        wait_until(lambda: settled(registry, pulled.id))
    assert ": 0 bytes fetched" in details(registry, pulled.id)[0][1]


def tags(registry: Registry, repository: str) -> list[str]:
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT t.name FROM tags t JOIN repositories r ON r.id = t.repository WHERE r.name = ?",
            (repository,),
        ).fetchall()
    return sorted(name for (name,) in rows)


@pytest.mark.slow
def test_schedule_runs_by_itself(registry: Registry, layout: Layout, other: registries.Registry) -> None:
    fill(registry, layout, "lab/a", ["1"], layout.image())
    made = replications.create(registry, SYSTEM, policy(other, "timed", on_push=False, every_s=3600.0))
    assert made.next is not None
    with registry.database.writing() as connection:
        connection.execute("UPDATE replications SET next = 0")
    with Worker(registry), closing(remote(other, "timed/lab/a")) as there:
        wait_until(lambda: there.head("1"))
    ran = replications.inspect(registry, SYSTEM, made.id)
    assert ran.ran is not None
    assert ran.next is not None
    assert ran.next - ran.ran == pytest.approx(3600)


@pytest.mark.slow
def test_failure_is_tried_again_until_it_works(registry: Registry, layout: Layout, base: Path) -> None:
    """The other registry is away at first, then comes back at the same address."""
    with registries.ours(base / "replication-away", auth="none") as first:
        port = int(first.host.rpartition(":")[2])
        made = replications.create(registry, SYSTEM, policy(first, "late"))
    with Worker(registry):
        fill(registry, layout, "lab/a", ["1"], layout.image())
        wait_until(lambda: any("cannot connect" in detail for _, detail in details(registry, made.id)))
        assert replications.inspect(registry, SYSTEM, made.id).waiting == 1
        with registries.ours(base / "replication-away", auth="none", settings={"port": port}) as again:
            wait_until(lambda: settled(registry, made.id))
            with closing(remote(again, "late/lab/a")) as there:
                assert is_whole(there, "1")


@pytest.mark.slow
def test_wrong_password_is_said_and_never_shown(
    registry: Registry, layout: Layout, other: registries.Registry
) -> None:
    wrong = msgspec.structs.replace(policy(other, "closed"), password="not the secret one")
    made = replications.create(registry, SYSTEM, wrong)
    with Worker(registry):
        fill(registry, layout, "lab/a", ["1"], layout.image())
        wait_until(lambda: any(detail for _, detail in details(registry, made.id)))
    shown = [replications.inspect(registry, SYSTEM, made.id), *details(registry, made.id)]
    assert "not the secret one" not in repr(shown)
    assert made.policy.password is None


def test_password_stays_with_whom_it_was_given_for(registry: Registry) -> None:
    policy = ReplicationPolicy(registry="one.example", username="me", password="secret")
    made = replications.create(registry, SYSTEM, policy)
    replications.update(registry, SYSTEM, made.id, ReplicationChange(tags="v*"))
    assert replications.partner(registry, made.id).password == "secret"
    replications.update(registry, SYSTEM, made.id, ReplicationChange(registry="two.example"))
    assert replications.partner(registry, made.id).password == ""
    assert replications.inspect(registry, SYSTEM, made.id).policy.tags == "v*"


def test_only_administrators_replicate(registry: Registry) -> None:
    ann = Identity(name="ann", rights={"lab/": Level.MANAGE})
    with pytest.raises(errors.NotPermitted):
        replications.create(registry, ann, ReplicationPolicy(registry="one.example", repositories="lab/*"))
    with pytest.raises(errors.NotPermitted):
        replications.listed(registry, ann)


@pytest.mark.parametrize(
    "host", ["", "noport", "https://x.example", "a/b", "x.example/y", "user@x.example", "localhost:99999999"]
)
def test_what_is_no_registry_is_refused(registry: Registry, host: str) -> None:
    with pytest.raises(errors.LabError):
        replications.create(registry, SYSTEM, ReplicationPolicy(registry=host))


def test_registry_inside_is_refused_and_not_connected_to_later(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    with receiver() as inside:
        host = inside.url.removeprefix("http://").removesuffix("/hook")
        made = replications.create(registry, SYSTEM, ReplicationPolicy(registry=host))
        closed = Registry(Settings(storage=str(tmp_path / "home")))
        with pytest.raises(errors.NotPermitted):
            replications.create(closed, SYSTEM, ReplicationPolicy(registry=host))
        with Worker(closed):
            fill(registry, layout, "lab/a", ["1"], layout.image())
            wait_until(lambda: any("inside" in detail for _, detail in details(registry, made.id)))
        assert not inside.got
        closed.close()


def test_over_http_as_python_calls_it(registry: Registry, layout: Layout) -> None:
    fill(registry, layout, "lab/a", ["1"], layout.image())
    with served(registry) as port:
        api = as_user(port, "root").replications
        made = api.create(ReplicationPolicy(registry="one.example", tags="v*", password="x", daily="03:30"))
        assert api.inspect(made.id) == made
        assert api.run(made.id, dry_run=True).items == ()
        changed = api.update(made.id, ReplicationChange(tags="1", daily=""))
        assert changed.next is None
        assert [each.reference for each in api.run(made.id, dry_run=True).items] == ["1"]
        with pytest.raises(errors.InvalidInput, match="daily"):
            api.create(ReplicationPolicy(registry="one.example", daily="25:00"))
        api.remove(made.id)
        assert api.list().items == ()


@pytest.mark.slow
def test_kill_in_the_middle_of_a_copy_loses_nothing(
    registry: Registry, layout: Layout, tmp_path: Path, other: registries.Registry
) -> None:
    made = replications.create(registry, SYSTEM, policy(other, "killed"))
    for number in range(3):
        fill(registry, layout, "lab/a", [f"v{number}"], layout.image(seed=number, size=2_000_000))
    first = work.start(tmp_path / "home")
    wait_until(lambda: any(status in ("running", "done") for status, _ in details(registry, made.id)))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = work.start(tmp_path / "home")
    wait_until(lambda: settled(registry, made.id) and len(details(registry, made.id)) == 3)
    work.end(second)
    with closing(remote(other, "killed/lab/a")) as there:
        assert all(is_whole(there, f"v{number}") for number in range(3))
