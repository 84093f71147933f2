"""ps, stats, top, df and prune on real containers: what Docker shows of them."""

from __future__ import annotations

import time

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput
from tests.containers import IMAGE

FOREVER = ["sleep", "1000"]


def names(containers: Containers, *filters: str) -> list[str]:
    return sorted(row.name for row in containers.list(all=True, filter=filters))


def test_filters_of_ps(containers: Containers) -> None:
    containers.create(IMAGE, name="web", expose=["80", "90-95/udp"], volume=["cache:/var/cache"])
    containers.create(IMAGE, name="webby", network="host", label=["tier=front"])
    for filters, wanted in {
        ("name=web",): ["web", "webby"],
        ("name=^/?web$",): ["web"],
        ("expose=80",): ["web"],
        ("expose=92/udp",): ["web"],
        ("expose=92",): [],
        ("network=none",): ["web"],
        ("network=host", "network=none"): ["web", "webby"],
        ("network=host", "name=web$"): [],
        ("volume=cache",): ["web"],
        ("volume=/var/cache",): ["web"],
        ("volume=/var",): [],
        ("ancestor=test/applets",): ["web", "webby"],
        ("ancestor=test/applets:latest",): ["web", "webby"],
        ("ancestor=other",): [],
        ("since=web",): ["webby"],
        ("before=webby",): ["web"],
        ("health=none",): ["web", "webby"],
        ("is-task=true",): [],
        ("status=created", "status=dead"): ["web", "webby"],
    }.items():
        assert names(containers, *filters) == wanted, filters


@pytest.mark.parametrize("wrong", ["status=up", "expose=x", "since=nobody", "is-task=perhaps", "nonsense=1"])
def test_wrong_filter_is_refused(containers: Containers, wrong: str) -> None:
    containers.create(IMAGE, name="web")
    with pytest.raises(InvalidInput):
        containers.list(all=True, filter=[wrong])


def test_ancestor_is_any_image_that_it_stands_on(engine: Engine, containers: Containers) -> None:
    containers.run(IMAGE, ["touch", "/new"], name="base")
    containers.commit("base", "test/derived")
    containers.create("test/derived", name="above")
    assert names(containers, "ancestor=test/derived") == ["above"]
    assert names(containers, "ancestor=test/applets") == ["above", "base"]
    containers.remove("above")
    engine.images.remove("test/derived")


def test_stats_have_a_rate_and_a_limit(containers: Containers) -> None:
    containers.start(IMAGE, ["sh", "-c", "while :; do :; done"], name="busy", memory="64m")
    containers.create(IMAGE, name="idle")
    table = containers.stats(all=True)
    busy, idle = table["busy"], table["idle"]
    assert busy.cpu_pct > 1
    assert busy.memory_limit_bytes == 64 << 20
    assert 0 < busy.memory_pct < 100
    assert (busy.now.net_read_bytes, busy.now.pids) == (0, 1)
    assert (idle.now, idle.cpu_pct) == (None, None)
    assert "CPU %" in table.to_text()


@pytest.mark.system("procps")
def test_top_with_options_is_the_hosts_ps(containers: Containers) -> None:
    pid = containers.start(IMAGE, FOREVER, name="up").pid
    for options in (["-o", "pid,args"], ["-eo", "pid,args"]):
        assert containers.top("up", options).rows == ((str(pid), "sleep 1000"),)
    with pytest.raises(InvalidInput, match="no PID"):
        containers.top("up", ["-o", "comm"])
    with pytest.raises(InvalidInput, match="ps does not take"):
        containers.top("up", ["--nonsense"])


def test_prune_tells_what_it_freed_and_follows_filters(engine: Engine, containers: Containers) -> None:
    containers.run(IMAGE, ["dd", "if=/dev/zero", "of=/big", "bs=1024", "count=1024"], name="big")
    containers.create(IMAGE, name="kept", label=["keep"])
    table = engine.system.df()
    assert table["Containers"].size_bytes >= 1 << 20
    assert engine.system.df_details()["Containers"]["big"][1] >= 1 << 20
    assert containers.prune(filter=[f"until={time.time() - 3600}"]).removed == ()
    pruned = containers.prune(filter=["label!=keep"])
    assert len(pruned.removed) == 1
    assert pruned.freed_bytes >= 1 << 20
    assert names(containers) == ["kept"]
    with pytest.raises(InvalidInput, match="no such key"):
        containers.prune(filter=["name=kept"])


def test_prune_of_images_follows_filters(engine: Engine, containers: Containers) -> None:
    containers.create(IMAGE, name="from")
    containers.commit("from", "test/labelled", change=["LABEL stage=build"])
    containers.remove("from")
    engine.images.prune(all=True, filter=["label=stage=other"])
    assert len(engine.images.list("test/labelled")) == 1
    engine.images.prune(all=True, filter=["label=stage=build"])
    assert [image.name for image in engine.images.list()] == ["test/applets:latest"]


def test_volumes_are_filtered(engine: Engine, containers: Containers) -> None:
    engine.volumes.create("lonely", label=["a=1"])
    containers.create(IMAGE, name="user", volume=["used:/x"])
    listed = {
        wanted: [info.name for info in engine.volumes.list(filter=[wanted])]
        for wanted in ("dangling=true", "label=a=1", "name=use", "driver=nfs")
    }
    assert listed == {
        "dangling=true": ["lonely"], "label=a=1": ["lonely"], "name=use": ["used"], "driver=nfs": [],
    }  # fmt: skip
    containers.remove("user")
    assert engine.volumes.prune(all=True, filter=["label=a"]).removed == ("lonely",)
    engine.volumes.remove("used")


def test_history_for_programs(engine: Engine) -> None:
    (line,) = engine.images.history(IMAGE)
    text = engine.images.history(IMAGE, human=False).to_text()
    assert str(line.size_bytes) in text
    assert "ago" not in text
