"""What `inspect` says, in Docker's layout."""

from __future__ import annotations

import pytest

from containerlab.backends.base import ContainerInfo, ImageInfo
from containerlab.engine.containers import Containers
from containerlab.engine.documents import of_container, of_image
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, NotFound
from containerlab.options.container import RunOptions
from containerlab.options.flag import normalise
from tests.containers import IMAGE

HOST_CONFIG = {
    "memory=64m": {"Memory": 64 << 20, "MemorySwap": 128 << 20},
    "cpus=0.5": {"NanoCpus": 500_000_000},
    "device_read_bps=/dev/vda:1m": {"BlkioDeviceReadBps": [{"Path": "/dev/vda", "Rate": 1 << 20}]},
    "device_write_iops=/dev/vda:9": {"BlkioDeviceWriteIOps": [{"Path": "/dev/vda", "Rate": 9}]},
    "blkio_weight_device=/dev/vda:200": {"BlkioWeightDevice": [{"Path": "/dev/vda", "Weight": 200}]},
    "ulimit=nofile=5:6": {"Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": 6}]},
    "volume=/srv:/data:ro": {"Binds": ["/srv:/data:ro"]},
    "tmpfs=/t:size=1m,mode=1777": {"Tmpfs": {"/t": "size=1048576,mode=1777"}},
    "restart=on-failure:3": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}},
    "add_host=db:10.0.0.7": {"ExtraHosts": ["db:10.0.0.7"]},
    "log_opt=max-size=1m": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}},
    "pids_limit=5": {"PidsLimit": 5},
    "device=/dev/null:/dev/x:r": {
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]
    },
    "mount=type=bind,src=/srv,dst=/d": {
        "Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/d", "ReadOnly": False}]
    },
}


def _info(options: dict[str, object]) -> ContainerInfo:
    detail = {"options": normalise(RunOptions, options)}
    return ContainerInfo(
        id="f" * 64, name="web", image="i", image_id="sha256:0", command=("sh", "-c"), created=1.0,
        status="created", detail=detail,
    )  # fmt: skip


@pytest.mark.parametrize(("option", "wanted"), HOST_CONFIG.items())
def test_options_stand_where_docker_has_them(option: str, wanted: dict[str, object]) -> None:
    name, _, value = option.partition("=")
    found = of_container(_info({name: value}), {})["HostConfig"]
    assert {key: found[key] for key in wanted} == wanted


def test_what_nobody_asked_for_is_there_and_empty() -> None:
    document = of_container(_info({}), {"Env": ["A=1"], "WorkingDir": "/srv", "Entrypoint": ["e"]})
    assert document["HostConfig"]["Memory"] == 0
    assert document["HostConfig"]["CapAdd"] is None
    assert document["Config"]["Env"] == ["A=1"]
    assert (document["Config"]["WorkingDir"], document["Config"]["Entrypoint"]) == ("/srv", ["e"])
    assert (document["Name"], document["Path"], document["Args"]) == ("/web", "sh", ["-c"])
    assert document["State"]["StartedAt"].startswith("0001-")


def test_a_variant_is_no_part_of_the_architecture() -> None:
    info = ImageInfo(
        id="sha256:1", digest="sha256:2", names=("a:1",), created=None, size_bytes=1, platform="linux/arm/v7",
        layers=(), config={"Cmd": ["x"]},
    )  # fmt: skip
    document = of_image(info)
    assert (document["Architecture"], document["Variant"], document["Config"]["Env"]) == ("arm", "v7", None)


def test_a_containers_own_words_and_its_images_are_told_apart(containers: Containers) -> None:
    containers.create(IMAGE, name="plain", env=["B=2"])
    containers.create(IMAGE, ["x"], name="own", entrypoint="echo")
    plain, own = containers.inspect("plain", "own").documents
    assert (plain["Path"], plain["Config"]["Cmd"], plain["Config"]["Env"]) == ("sh", ["sh"], ["B=2"])
    assert (own["Path"], own["Args"]) == ("echo", ["x"])
    assert (own["Config"]["Entrypoint"], own["Config"]["Cmd"]) == (["echo"], ["x"])
    assert [row.info.command for row in containers.list(all=True)] == [("echo", "x"), ("sh",)]


def test_size_is_measured_when_asked_for(containers: Containers) -> None:
    containers.run(IMAGE, ["dd", "if=/dev/zero", "of=/big", "bs=1024", "count=2048"], name="big")
    document = containers.inspect("big", size=True)[0]
    assert document["SizeRw"] >= 2 << 20
    assert document["SizeRootFs"] > document["SizeRw"]
    (row,) = containers.list(all=True, size=True)
    assert row.size is not None
    assert row.size.written_bytes == document["SizeRw"]


def test_type_chooses_whose_name_it_is(engine: Engine, containers: Containers) -> None:
    containers.create(IMAGE, name="web")
    assert engine.system.inspect("web")["Name"] == "/web"
    with pytest.raises(NotFound, match="no such image: web"):
        engine.system.inspect("web", type="image")
    with pytest.raises(NotFound, match="did you mean test/applets"):
        engine.system.inspect("test/applts")
    with pytest.raises(InvalidInput, match="--type"):
        engine.system.inspect("web", type="pod")
