"""Retention, immutability, quotas, garbage, events and examinations of a server that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.api.values import every
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import SYSTEM
from containerlab.engine.engine import Engine
from containerlab.engine.registries.serving import RegistryServer
from containerlab.oci import digest as digests
from tests.distribution.server.pushing import push
from tests.engine.registries.conlab import Conlab, logged_in


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    return base / "keeping"


@pytest.fixture(scope="module")
def reg(home: Path) -> Iterator[RegistryServer]:
    """Yield a registry in a process of its own."""
    with Engine(home) as engine, engine.registry.serve(port=0) as server:
        yield server


@pytest.fixture
def inside(home: Path, reg: RegistryServer) -> Iterator[Registry]:
    """Yield the same registry as this process sees it: two processes work on it."""
    registry = Registry(Settings(storage=str(home)))
    yield registry
    registry.close()


@pytest.fixture
def conlab(
    reg: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Conlab:
    """Return what runs a command of the registry as its administrator and returns what it printed."""
    return logged_in(reg, tmp_path, monkeypatch, capsys)


def test_retention_is_tried_and_done(inside: Registry, reg: RegistryServer, conlab: Conlab) -> None:
    for number in range(4):
        push(inside, SYSTEM, "kept/base", f"v{number}", layers=[b"layer %d" % number * 1000])
    rule = reg.retention.set("kept/", keep_last=3, tags=("v*",))
    assert rule in reg.retention.list("kept/").items
    said = reg.retention.run("kept/base", dry_run=True)
    assert [each.tag or "manifest" for each in said.removals] == ["v0", "manifest"]
    assert re.search(r"v0 .*not among the last 3", conlab("retention run kept/ --dry-run"))
    conlab("immutability set kept/base --tag v0")
    assert "immutable" in conlab("retention run kept/")
    conlab(f"immutability rm {reg.immutability.list('kept/base').items[0].id}")
    done = reg.retention.run("kept/")
    assert (done.removals, done.freed_bytes) == (said.removals, said.freed_bytes)
    assert conlab("retention set kept/ --older-than 30d --untagged 7d --schedule daily --json")
    assert conlab("retention ls kept/ --format {{.Schedule}}").split() == ["manual", "daily"]
    assert conlab(f"retention rm {rule.id}").strip() == str(rule.id)


def test_a_quota_refuses_and_use_is_shown(inside: Registry, reg: RegistryServer, conlab: Conlab) -> None:
    push(inside, SYSTEM, "bound/base", "v1", layers=[b"x" * 5000])
    assert re.search(r"limit +1 MiB", conlab("quota set bound 1m"))
    assert reg.quotas.inspect("bound").limit_bytes == 1 << 20
    assert "bound/base" in conlab("usage bound")
    assert conlab("quota set bound none")
    assert reg.quotas.inspect("bound").limit_bytes is None


def test_garbage_is_collected_and_what_is_damaged_found(
    inside: Registry, reg: RegistryServer, conlab: Conlab
) -> None:
    layer = b"a layer that rots" * 100
    push(inside, SYSTEM, "rotten/base", "v1", layers=[layer])
    push(inside, SYSTEM, "rotten/base", layers=[b"untagged" * 100])
    assert re.search(r"manifests +1\n", conlab("gc rotten/ --untagged --grace 0 --dry-run"))
    assert reg.garbage.collect("rotten/", untagged=True, grace_s=0).manifests == 1
    assert "all as they should be" in conlab("verify rotten/")
    inside.blobs.path(digests.of(layer)).write_bytes(b"b" + layer[1:])
    assert re.search(r"damaged +rotten/base", conlab("verify rotten/base", exit_code=1))
    assert [each.problem for each in reg.garbage.verify("rotten/")] == ["damaged", ""]


def test_events_are_filtered_and_exported(reg: RegistryServer, inside: Registry, conlab: Conlab) -> None:
    push(inside, SYSTEM, "told/base", "v1", layers=[b"told"])
    assert "told/base" in conlab("events --repository told/base --kind push")
    lines = conlab("events export --repository told/base").splitlines()
    assert json.loads(lines[0])["tag"] == "v1"
    found = list(every(reg.events.list, repository="told/base", limit=1))
    assert [each.id for each in found] == [each.id for each in reg.events.export(repository="told/base")]


def test_an_image_is_examined(reg: RegistryServer, inside: Registry, conlab: Conlab) -> None:
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    raw = push(inside, SYSTEM, "seen/base", "v1", config=config)
    assert re.search(r"high: 0, medium: 0, low: 0", conlab("examine seen/base v1"))
    assert reg.examinations.audit("seen/base", digests.of(raw)).items == ()
    conlab("examine seen/base v1 --kind sbom")
    document = json.loads(conlab("examination sbom seen/base v1"))
    assert document["spdxVersion"] == "SPDX-2.3"
    assert {each.kind for each in reg.examinations.list("seen/base").items} == {"audit", "sbom"}


def test_what_is_not_there_is_said_in_a_sentence(reg: RegistryServer, conlab: Conlab) -> None:
    assert "no such manifest" in conlab("examine kept/base nowhere", exit_code=1)
    assert "no such repository: kept/nowhere" in conlab("gc kept/nowhere", exit_code=1)
    assert "no such organisation: nowhere" in conlab("retention run nowhere/ --dry-run", exit_code=1)
    assert "no such rule of retention: 99" in conlab("retention rm 99", exit_code=1)
    with pytest.raises(errors.NotFound):
        reg.quotas.inspect("nowhere")
