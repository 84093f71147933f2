"""Images and volumes whose author wants out: whatever is a link there leads nowhere, and nothing hangs."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests import containers as small

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]

SECRET = "secret-of-the-host"
LINK, FIFO = tarfile.SYMTYPE, tarfile.FIFOTYPE


@pytest.fixture
def outside(containers: Containers, base: Path) -> Iterator[Path]:
    """Yield a directory of the host with a secret, and see that nothing else comes into it."""
    directory = base / "outside-of-images"
    directory.mkdir(exist_ok=True)
    (directory / "file").write_text(SECRET)
    yield directory
    assert os.listdir(directory) == ["file"]
    assert (directory / "file").read_text() == SECRET


UPWARD = "../../../../../../../../../.."


@pytest.mark.parametrize(
    "place",
    [
        *("etc", "etc/hosts", "etc/hostname", "etc/resolv.conf", "proc", "sys", "dev", "tmp", "root", "run"),
        *("dev/pts", "dev/shm", "dev/mqueue", "dev/console", "dev/null", "sys/fs", "srv", "var"),
    ],
)
def test_a_link_leads_nowhere_outside(
    engine: Engine, containers: Containers, outside: Path, place: str
) -> None:
    """With a terminal, a volume and a working directory below it, and every way of looking at it."""
    target = f"{UPWARD if place.startswith('dev') else ''}{outside}"
    files = {
        place: (LINK, target),
        "bin/look": b"#!/bin/sh\ncat /*/file /srv/*/file 2>/dev/null\nls -R /srv /tmp\n",
    }
    config = {"Volumes": {"/srv/volume": {}}, "WorkingDir": "/srv/new"}
    small.add_image(engine.backend, "test/links", files=files, config=config, without=(place,))
    seen = ""
    with contextlib.suppress(LabError):
        options = {"volume": ["/etc/hostname:/srv/a/file2"], "tmpfs": {"/run/x": ""}, "tty": True}
        container = containers.start("test/links", ["sh", "-c", "look; sleep 1000"], name="links", **options)
        seen += containers.exec("links", ["look"], workdir="/tmp").output
        for path in (place, f"{place}/file", "srv"):
            with contextlib.suppress(LabError):
                archive = io.BytesIO()
                engine.backend.get_archive(container.id, path, archive, follow=True)
                seen += archive.getvalue().decode(errors="replace")
        with contextlib.suppress(LabError):
            engine.backend.put_archive(container.id, f"/{place}", io.BytesIO(_archive("planted")))
        containers.commit("links", "test/committed")
    assert SECRET not in seen


def _archive(name: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return output.getvalue()


@pytest.mark.parametrize(
    "volume", ["/../../../../../../../..{outside}", "/data", "/data/below", "{outside}", "/etc/.."]
)
def test_2022_23648_a_volume_is_filled_from_the_image_alone(
    engine: Engine, containers: Containers, outside: Path, volume: str
) -> None:
    path = volume.format(outside=outside)
    files = {
        "data": (LINK, str(outside)),
        "bin/look": b'#!/bin/sh\nfor d in "$@"; do ls $d; cat $d/file; done 2>&1\n',
    }
    small.add_image(engine.backend, "test/volumes", files=files, config={"Volumes": {path: {}}})
    with contextlib.suppress(LabError):
        seen = containers.run("test/volumes", ["look", path, "/data/", str(outside)], rm=True).output
        assert SECRET not in seen
    volumes = engine.backend.home.volumes
    assert all(
        SECRET not in file.read_text(errors="replace") for file in volumes.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"volume": [f"inside:{path}"]}
            for path in ("/proc", "/proc/", "//proc", "/x/../proc", "/proc/sys", "/proc/1")
        ),
        *(
            {"volume": [f"inside:{path}"]}
            for path in ("/link", "/link/sys", "/link/self/attr", "/", "//", "/etc/..")
        ),
        {"volume": ["/proc"]},
        {"volume": ["/"]},
        {"tmpfs": {"/proc": ""}},
        {"tmpfs": {"/link/fs": ""}},
    ],
    ids=str,
)
def test_2019_19921_2025_52881_nothing_but_procfs_stands_at_proc(
    engine: Engine, containers: Containers, options: dict[str, object]
) -> None:
    """What is written there, a kernel setting or a label, would go elsewhere, with success."""
    small.add_image(engine.backend, "test/procs", files={"link": (LINK, "/proc")})
    with pytest.raises(LabError, match=r"/proc|root"):
        containers.run("test/procs", ["true"], network="host", rm=True, **options)


def test_a_number_of_proc_may_be_covered(containers: Containers) -> None:
    volume = ["/etc/hostname:/proc/uptime:ro"]
    seen = containers.run(small.IMAGE, ["cat", "/proc/uptime"], rm=True, volume=volume).stdout
    assert seen == Path("/etc/hostname").read_text()


@pytest.mark.parametrize("name", ["passwd", "group"])
@pytest.mark.parametrize(
    "entry", [(FIFO, ""), (LINK, "/dev/zero"), (LINK, "/proc/self/mem"), (LINK, "passwd")]
)
def test_accounts_that_are_no_files_are_none(
    engine: Engine, containers: Containers, name: str, entry: tuple[bytes, str]
) -> None:
    small.add_image(engine.backend, "test/accounts", files={f"etc/{name}": entry})
    assert containers.run("test/accounts", ["true"], rm=True).exit_code == 0
    with contextlib.suppress(LabError):
        containers.run("test/accounts", ["true"], user="ann:staff", rm=True)


@pytest.mark.parametrize(
    "config",
    [
        {"User": "0\n"},
        {"User": ":"},
        {"User": "99999999999"},
        {"WorkingDir": "relative"},
        {"WorkingDir": "/proc/self/fd/3"},
        {"WorkingDir": "/" + "x" * 5000},
        {"Env": ["=", "A", "", "PATH="]},
        {"Env": [f"V{number}={'x' * 100_000}" for number in range(40)]},
        {"Env": ["BIG=" + "x" * 200_000]},
        {"Env": ["LD_PRELOAD=/evil.so", "PYTHONPATH=/evil", "PYTHONHOME=/evil"]},
        {"Entrypoint": [""]},
        {"Entrypoint": ["/"]},
        {"Entrypoint": ["/proc/self/exe"]},
        {"Entrypoint": ["../../../../bin/true"]},
        {"Entrypoint": ["sh", "-c", "nul\0byte"]},
        {"Env": ["NUL=a\0b"]},
        {"Volumes": {"relative": {}}},
        {"Volumes": {"/": {}}},
        {"Volumes": {"": {}}},
        {"Volumes": {"/\n": {}}},
        {"Volumes": {f"/v/{number}": {} for number in range(20)}},
        {"StopSignal": "SIGFLY"},
        {"Labels": {"x": "y" * 1_000_000}},
    ],
    ids=lambda config: str(config)[:60],
)
def test_a_configuration_ends_in_a_run_or_in_one_sentence(
    engine: Engine, containers: Containers, config: dict[str, object]
) -> None:
    with contextlib.suppress(LabError):  # anything else is a fault of ours
        small.add_image(engine.backend, "test/config", config=config)
        containers.run("test/config", ["true"], rm=True, timeout=20)
    assert containers.list(all=True).rows == ()
