"""Examinations: what is found in images that were pushed, by a process of its own."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.problems import ManifestUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.upkeep import examinations, garbage
from containerlab.distribution.server.upkeep.examining import Examining
from containerlab.engine.registries.examining import examiners
from containerlab.oci import digest as digests
from containerlab.store.home import Home
from tests.build.audit.planted import private_key
from tests.distribution.documents import descriptor, image
from tests.distribution.server.grounds import Clock
from tests.distribution.server.pushing import push, push_blob, push_index, put
from tests.distribution.server.receivers import wait_until

KEY = private_key("RSA").encode()
STATUS = b"Package: busybox\nStatus: install ok installed\nVersion: 1.36\nArchitecture: amd64\n\n"


def _layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _config(*layers: bytes) -> bytes:
    diff_ids = [digests.of(layer) for layer in layers]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()


LAYER = _layer({"root/.ssh/id_rsa": KEY, "etc/os-release": b"ID=debian\n", "var/lib/dpkg/status": STATUS})


class Fake:
    """An examiner that notes what it is asked."""

    def __init__(self, said: bytes = b"[]") -> None:
        self.asked: list[str] = []
        self.said = said
        self.is_stopped = False

    def __call__(self, home: Home, digest: str) -> bytes:
        self.asked.append(digest)
        return self.said

    def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def pushed(registry: Registry, admin: Identity) -> str:
    """Push an image with a key and a package in it; return the digest of its manifest."""
    raw = push(registry, admin, "lab/base", "v1", layers=[LAYER], config=_config(LAYER))
    return digests.of(raw)


@pytest.fixture
def real(registry: Registry) -> Iterator[Registry]:
    registry.examiners = dict(examiners())
    yield registry
    for examiner in registry.examiners.values():
        examiner.stop()


def test_an_audit_finds_a_key_and_says_so_per_image(real: Registry, admin: Identity, pushed: str) -> None:
    (found,) = examinations.run(real, admin, "lab/base", "v1").items
    assert (found.digest, found.tags, found.problem) == (pushed, ("v1",), "")
    assert found.counts["high"] == 1
    (secret,) = examinations.audit(real, admin, "lab/base", pushed).items
    assert (secret.kind, secret.severity, secret.path) == ("private-key", "high", "root/.ssh/id_rsa")
    assert examinations.listed(real, admin, "lab/base").items == (found,)


def test_an_sbom_lists_packages(real: Registry, admin: Identity, pushed: str) -> None:
    (found,) = examinations.run(real, admin, "lab/base", pushed, kind="sbom").items
    assert found.problem == ""
    assert found.counts["packages"] >= 1
    document = examinations.sbom(real, admin, "lab/base", pushed)
    assert document["spdxVersion"] == "SPDX-2.3"
    assert "busybox" in {each["name"] for each in document["packages"]}


def test_a_broken_image_is_a_problem_that_is_told(real: Registry, admin: Identity) -> None:
    layer = b"this is no archive, whatever its type says" * 100
    raw = push(real, admin, "lab/base", "bad", layers=[layer], config=_config(layer))
    (found,) = examinations.run(real, admin, "lab/base", "bad").items
    assert found.problem
    assert found.counts == {}
    with pytest.raises(errors.NotFound, match="no audit of"):
        examinations.audit(real, admin, "lab/base", digests.of(raw))


def test_each_image_of_an_index_is_examined_once(registry: Registry, admin: Identity) -> None:
    fake = Fake()
    registry.examiners = {"audit": fake}
    children = [push(registry, admin, "lab/base", config=_config() + b" " * n) for n in range(2)]
    push_index(registry, admin, "lab/base", "both", of=children)
    found = examinations.run(registry, admin, "lab/base", "both").items
    assert {each.digest for each in found} == {digests.of(child) for child in children}
    assert {each.tags for each in found} == {("both",)}
    with pytest.raises(errors.InvalidInput, match="name one by its digest"):
        examinations.audit(registry, admin, "lab/base", "both")
    assert examinations.audit(registry, admin, "lab/base", found[0].digest).items == ()
    assert examinations.run(registry, admin, "lab/base", "both").items == found
    assert len(fake.asked) == 2
    examinations.run(registry, admin, "lab/base", "both", again=True)
    assert len(fake.asked) == 4


def test_what_is_pushed_is_examined_when_there_is_time(
    registry: Registry, admin: Identity, clock: Clock, pushed: str
) -> None:
    audit, sbom = Fake(), Fake(b'{"packages":[{},{}]}')
    registry.examiners = {"audit": audit, "sbom": sbom}
    push_blob(registry, admin, "lab/base", b"{}")
    put(registry, admin, "lab/base", image(b"{}", artifactType="text/plain"), "artifact")
    job = Examining(registry)
    try:
        job.step()
        assert audit.asked == []  # who pushes has the processor first
        clock.advance(11)

        def is_done() -> bool:
            job.step()
            return {each.kind for each in examinations.listed(registry, admin, "lab/base").items} == {
                "audit",
                "sbom",
            }

        wait_until(is_done)
        assert (audit.asked, sbom.asked) == ([pushed], [pushed])
    finally:
        job.close()
    assert audit.is_stopped


def test_results_go_with_the_image(registry: Registry, admin: Identity, pushed: str) -> None:
    registry.examiners = {"audit": Fake()}
    examinations.run(registry, admin, "lab/base", "v1")
    manifests.delete(registry, admin, "lab/base", pushed)
    assert examinations.listed(registry, admin, "lab/base").items == ()
    garbage.sweep(registry)
    with registry.reader.reading() as connection:
        assert connection.execute("SELECT count(*) FROM examinations").fetchone() == (0,)


def test_who_may_not_pull_sees_nothing(registry: Registry, admin: Identity, pushed: str) -> None:
    registry.examiners = {"audit": Fake()}
    examinations.run(registry, admin, "lab/base", "v1")
    push(registry, admin, "other/base", "v1", layers=[b"x"], config=_config(b"x"))
    bob = Identity(name="bob", rights={"other/": 1})
    with pytest.raises(errors.NotPermitted):
        examinations.run(registry, bob, "lab/base", "v1")
    with pytest.raises(errors.NotPermitted):
        examinations.listed(registry, bob, "lab/base")
    with pytest.raises(errors.NotFound):
        examinations.audit(registry, bob, "other/base", pushed)  # a digest is no right


def test_what_is_no_image_is_not_examined(registry: Registry, admin: Identity) -> None:
    registry.examiners = {"audit": Fake()}
    push_blob(registry, admin, "lab/base", b"{}")
    put(registry, admin, "lab/base", image(b"{}", artifactType="text/plain"), "artifact")
    with pytest.raises(errors.Unsupported, match="not here as a whole"):
        examinations.run(registry, admin, "lab/base", "artifact")
    with pytest.raises(errors.Unsupported, match="no examiner"):
        examinations.run(registry, admin, "lab/base", "artifact", kind="sbom")
    with pytest.raises(ManifestUnknown):
        examinations.run(registry, admin, "lab/base", "nowhere")


def test_what_has_no_files_is_not_examined(registry: Registry, admin: Identity) -> None:
    """A signature of cosign's has an image's configuration, and it would fail for ever."""
    registry.examiners = {"audit": Fake()}
    payload, config = b'{"critical": {}}', _config(b"x")
    for blob in (payload, config):
        push_blob(registry, admin, "lab/base", blob)
    layer = descriptor(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
    put(registry, admin, "lab/base", image(config, layers=[layer]), f"sha256-{'a' * 64}.sig")
    with pytest.raises(errors.Unsupported, match="not here as a whole"):
        examinations.run(registry, admin, "lab/base", f"sha256-{'a' * 64}.sig")
    push_blob(registry, admin, "lab/base", LAYER)
    mixed = image(config, layers=[descriptor(LAYER), layer])
    put(registry, admin, "lab/base", mixed, "mixed")
    assert len(examinations.run(registry, admin, "lab/base", "mixed").items) == 1


def test_an_examination_ends_with_the_server(tmp_path: Path) -> None:
    examiner = examiners()["audit"]
    examiner.stop()
    with pytest.raises(errors.Unavailable):
        examiner(Home.open(tmp_path / "home"), "sha256:" + "0" * 64)
