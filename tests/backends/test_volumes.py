"""Volumes: made, filled, shared, kept while somebody has them, removed with those they were made for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, InvalidInput, NotFound, Unsupported
from tests import containers as applets
from tests.containers import FILES, IMAGE, root_archive, until
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
FOREVER = ["sleep", "1000"]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    """Yield an engine whose store has the image."""
    with applets.engine(base / "volumes") as engine:
        yield engine


def names(engine: Engine) -> list[str]:
    return [volume.name for volume in engine.volumes.list()]


def test_new_volume_begins_with_what_the_image_has(containers: Containers, engine: Engine) -> None:
    shown = containers.run(IMAGE, ["cat", "/etc/group"], rm=True, volume=["filled:/etc"]).stdout
    assert shown.encode() == FILES["etc/group"]
    bare = containers.run(IMAGE, ["ls", "/home"], rm=True, volume=["bare:/home:nocopy"]).stdout
    assert bare == ""
    engine.volumes.remove("filled")
    engine.volumes.remove("bare")


def test_volume_is_kept_while_a_container_has_it(containers: Containers, engine: Engine) -> None:
    engine.volumes.create("held", label={"a": "b"})
    container = containers.create(IMAGE, FOREVER, volume=["held:/data"])
    assert engine.volumes.get("held").used_by == (container.id,)
    with pytest.raises(Conflict, match=container.name):
        engine.volumes.remove("held")
    containers.remove(container.id)
    assert engine.volumes.get("held").labels == {"a": "b"}
    engine.volumes.remove("held")
    with pytest.raises(NotFound):
        engine.volumes.get("held")


def test_anonymous_volume_goes_with_its_container(containers: Containers, engine: Engine) -> None:
    container = containers.create(IMAGE, FOREVER, volume=["/data"])
    (name,) = names(engine)
    assert engine.volumes.get(name).is_anonymous
    containers.remove(container.id)
    assert names(engine) == [name]
    assert engine.volumes.prune().removed == (name,)
    containers.run(IMAGE, ["true"], rm=True, volume=["/data"])
    until(lambda: not names(engine))
    containers.remove(containers.create(IMAGE, FOREVER, volume=["/data"]).id, volumes=True)
    assert names(engine) == []


def test_anonymous_volume_stays_while_another_container_has_it(
    containers: Containers, engine: Engine
) -> None:
    first = containers.create(IMAGE, FOREVER, volume=["/data"])
    second = containers.create(IMAGE, FOREVER, volumes_from=[first.name])
    containers.remove(first.id, volumes=True)
    assert engine.volumes.list().rows[0].used_by == (second.id,)
    containers.remove(second.id)
    engine.volumes.prune()


def test_what_removes_itself_leaves_a_volume_that_another_has(containers: Containers, engine: Engine) -> None:
    script = "echo kept > /data/f; until test -e /data/end; do sleep 0.01; done"
    first = containers.start(IMAGE, ["sh", "-c", script], volume=["/data"], rm=True)
    second = containers.create(IMAGE, ["cat", "/data/f"], volumes_from=[first.name])
    containers.run(IMAGE, ["touch", "/data/end"], volumes_from=[first.name], rm=True)
    until(lambda: [each.id for each in containers.list(all=True)] == [second.id])
    (name,) = names(engine)
    assert (Path(engine.volumes.get(name).path) / "f").read_text() == "kept\n"
    # The last one that has it takes it along.
    containers.remove(second.id, volumes=True)
    assert names(engine) == []


def test_volumes_from_has_modes(containers: Containers) -> None:
    first = containers.create(IMAGE, FOREVER, volume=["/data"])
    for mode, code in (("rw", 0), ("ro", 1), ("z", 0)):
        result = containers.run(IMAGE, ["touch", "/data/x"], rm=True, volumes_from=[f"{first.name}:{mode}"])
        assert result.exit_code == code
    for wrong in ("wo", "nocopy", "rshared"):
        with pytest.raises(InvalidInput, match=wrong):
            containers.run(IMAGE, ["true"], volumes_from=[f"{first.name}:{wrong}"])
    containers.remove(first.id, volumes=True)


def test_mounts_as_data(containers: Containers, engine: Engine, base: Path) -> None:
    (base / "tree/below").mkdir(parents=True, exist_ok=True)

    def shown(mount: str, script: str) -> str:
        return containers.run(IMAGE, ["sh", "-c", script], rm=True, mount=[mount]).stdout

    source = f"type=bind,src={base}/tree,dst=/m"
    assert shown(source, "ls /m; touch /m/x && echo yes").split() == ["below", "yes"]
    assert shown(f"{source},readonly=false", "touch /m/x && echo yes") == "yes\n"
    assert shown(f"{source},ro", "touch /m/x 2>&1 | grep -o 'Read-only'") == "Read-only\n"
    assert "shared:" in shown(f"{source},bind-propagation=rshared", "grep ' /m ' /proc/self/mountinfo")
    size = "df -k /m | tail -1 | awk '{print $2}'; stat -c %a /m"
    assert shown("type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=700", size).split() == ["1024", "700"]
    made = f"type=bind,src={base}/made,dst=/m,bind-create-src"
    assert shown(made, "ls /m") == ""
    with pytest.raises(InvalidInput, match="no such file"):
        shown(f"type=bind,src={base}/never-made,dst=/m", "true")
    with pytest.raises(Unsupported, match="image"):
        shown(f"type=image,src={IMAGE},dst=/m", "true")
    assert not containers.list(all=True).rows


def test_prune_takes_named_ones_only_with_all(containers: Containers, engine: Engine) -> None:
    engine.volumes.create("named")
    unnamed = engine.volumes.create().name
    assert engine.volumes.prune().removed == (unnamed,)
    assert engine.volumes.prune(all=True).removed == ("named",)


def test_subpath_and_readonly_and_volumes_from(containers: Containers, engine: Engine) -> None:
    containers.run(IMAGE, ["sh", "-c", "mkdir /v/a; echo x > /v/a/f"], rm=True, volume=["parts:/v"])
    mount = ["type=volume,source=parts,target=/m,volume-subpath=a,readonly"]
    first = containers.create(IMAGE, ["cat", "/m/f"], mount=mount)
    assert containers.run(IMAGE, ["touch", "/m/g"], rm=True, mount=mount).exit_code == 1
    assert containers.run(IMAGE, ["cat", "/m/f"], rm=True, volumes_from=[first.name]).stdout == "x\n"
    containers.remove(first.id)
    engine.volumes.remove("parts")


def test_path_of_an_image_does_not_reach_the_host(containers: Containers, engine: Engine, base: Path) -> None:
    """CVE-2022-23648: what is copied into a volume for such a path comes from the image."""
    config = {"Volumes": {"/../../../../../../../etc": {}, "/link": {}}}
    applets.import_image(
        base / "volumes", "test/sly", config=config, files={"link": (b"2", "/../../../../etc")}
    )
    script = "ls /etc; ls /link; cat /etc/group /link/group"
    shown = containers.run("test/sly", ["sh", "-c", script], rm=True).stdout.encode()
    assert shown.endswith(FILES["etc/group"] * 2)
    assert b"shadow" not in shown
    engine.images.remove("test/sly")


def test_everybody_has_volumes(anyone: User) -> None:
    environment = {**anyone.environment, "CONTAINERLAB_HOME": str(anyone.home / "volumes-home")}
    conlab = functools.partial(anyone.conlab, env=environment)
    script = "echo x > /etc/new; cat /etc/group"
    archive = anyone.home / "root.tar"
    archive.write_bytes(root_archive(FILES))
    archive.chmod(0o644)
    assert conlab("import", str(archive), IMAGE).returncode == 0
    written = conlab("run", "--rm", "-v", "mine:/etc", IMAGE, "sh", "-c", script)
    assert written.stdout.encode() == FILES["etc/group"], written.stderr
    assert conlab("run", "--rm", "-v", "mine:/m", IMAGE, "cat", "/m/new").stdout == "x\n"
    assert conlab("volume", "ls", "-q").stdout.split() == ["mine"]
    removed = conlab("volume", "rm", "mine")
    assert removed.returncode == 0, removed.stderr
    assert conlab("volume", "ls", "-q").stdout.split() == []
