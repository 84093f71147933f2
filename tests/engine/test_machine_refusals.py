"""What cannot be is refused before anything boots, in one sentence, and nothing is left."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, InvalidInput, LabError, NotFound, Unsupported
from tests import machines
from tests.machines import IMAGE

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(60),
    pytest.mark.system(*machines.PACKAGES),
]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with machines.engine(base / "engine-vm-refusals") as engine:
        yield engine


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"tier": "mikrovm"}, InvalidInput, "--tier: not known"),
        ({"cpus": 0.5}, InvalidInput, "--cpus: not a whole number of processors"),
        ({"cpus": 0}, InvalidInput, "--cpus: "),
        ({"memory": "16m"}, InvalidInput, "--memory: 16 MiB are too little"),
        ({"accel": "xen"}, InvalidInput, "--accel: not known"),
        ({"kernel": "/no/such/kernel"}, NotFound, "there is no kernel /no/such/kernel"),
        ({"module": ["overlai"]}, NotFound, "has no module overlai"),
        ({"filesystem": "ntfs"}, InvalidInput, "--filesystem: not known"),
        ({"network": "bridge"}, InvalidInput, "not known: 'bridge'"),
        ({"publish": ["http"]}, InvalidInput, "--publish: not a port to publish"),
        ({"publish": ["70000:80"]}, InvalidInput, "--publish: no such port"),
        ({"publish": ["192.0.2.1:8080:80"]}, InvalidInput, "cannot publish at port 8080 of 192.0.2.1"),
        ({"volume": ["/no/such/place:/data"]}, InvalidInput, "cannot share /no/such/place"),
        ({"volume": ["/etc/passwd:/data"]}, InvalidInput, "it is no directory"),
        ({"volume": ["/data"]}, InvalidInput, "no source for /data"),
        ({"volume": ["/tmp:/data", "/var:/data"]}, InvalidInput, "two mounts at /data"),
        ({"tier": "resume", "volume": ["/tmp:/data"]}, Unsupported, "cannot be restored from a snapshot"),
        ({"tier": "resume", "filesystem": "virtiofs"}, Unsupported, "cannot be restored from a snapshot"),
        ({"tier": "classic", "filesystem": "virtiofs"}, InvalidInput, "has a disk"),
        ({"hostname": "a\nb"}, InvalidInput, "not a host name"),
        ({"log_opt": {"max-size": "0"}}, InvalidInput, "max-size is 0"),
        ({"rm": True, "restart": "always"}, InvalidInput, "exclude each other"),
        ({"memroy": "1g"}, InvalidInput, "no such option: memroy"),
    ],
)
def test_bad_input_is_refused(engine: Engine, options: dict[str, Any], kind: type, sentence: str) -> None:
    with pytest.raises(kind, match=sentence) as refused:
        engine.machines.run(IMAGE, ["true"], **{"pull": "never", "tier": "microvm", **options})
    assert "\n" not in refused.value.message
    assert not engine.machines.list(all=True)


def test_a_port_of_the_host_that_is_taken(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(Conflict, match=rf"port {taken} of 127\.0\.0\.1 is taken"):
            engine.machines.run(IMAGE, publish=[f"{taken}:80"], tier="microvm")


def test_an_image_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no such image"):
        engine.machines.run("test/nowhere", pull="never")


def test_an_image_for_another_processor(engine: Engine) -> None:
    from tests import busybox

    archive = Path(engine.home).with_suffix(".tar")
    archive.write_bytes(busybox.root_file_system())
    engine.images.import_(str(archive), "test/foreign", platform="linux/riscv64")
    archive.unlink()
    with pytest.raises(Unsupported, match="for linux/riscv64, and machines on this host are linux/"):
        engine.machines.run("test/foreign", ["true"], platform="linux/riscv64")


def test_no_qemu(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unsupported, match=r"needs qemu-system-\w+, which is not installed"):
        engine.machines.run(IMAGE, ["true"])


@pytest.mark.parametrize("verb", ["exec", "pause", "unpause", "snapshot", "sample", "attach", "kill"])
def test_verbs_for_a_machine_that_does_not_run(engine: Engine, verb: str) -> None:
    engine.machines.create(IMAGE, name="idle", tier="microvm")
    try:
        words = (["true"],) if verb == "exec" else ()
        with pytest.raises(Conflict, match="machine idle does not run"):
            getattr(engine.machines, verb)("idle", *words)
    finally:
        engine.machines.remove("idle")


@pytest.mark.parametrize("verb", ["stop", "kill", "pause", "logs", "remove", "wait", "resume", "inspect"])
def test_verbs_for_a_machine_that_is_not_there(engine: Engine, verb: str) -> None:
    with pytest.raises(LabError, match="no such machine: nobody"):
        getattr(engine.machines, verb)("nobody")
