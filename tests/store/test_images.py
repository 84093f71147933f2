"""Images: names lead only to what is complete, whoever writes, collects or dies meanwhile."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from containerlab.errors import Conflict, CorruptContent, InvalidInput, LabError, NotFound, Unsupported
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest
from containerlab.oci.platform import Platform
from containerlab.store import removal, usage
from containerlab.store.home import Home
from containerlab.store.images import Images
from tests.store import pictures


def unused(image_id: str) -> list[str]:
    return []


def refs(home: Home) -> dict[str, str]:
    """Return what other tools read: names and digests of index.json."""
    index = json.loads((home.oci / "index.json").read_bytes())
    return {
        each["annotations"]["org.opencontainers.image.ref.name"]: each["digest"]
        for each in index["manifests"]
        if "annotations" in each
    }


# --- names


def test_an_image_is_found_by_all_its_names(images: Images) -> None:
    descriptor = pictures.put(images, "lab/base", "a", "b")
    found = images.get("lab/base")
    for name in (
        "lab/base:latest",
        "docker.io/lab/base",
        f"lab/base@{descriptor.digest}",
        f"lab/base:other@{descriptor.digest}",
        descriptor.digest,
        found.id,
        found.id.removeprefix("sha256:"),
        found.id[:14],
        found.id.removeprefix("sha256:")[:12],
    ):
        assert images.get(name) == found, name
    assert found.names == ("lab/base:latest",)
    assert found.config.config.cmd == ("sh",)
    assert len(found.layers) == len(found.diff_ids) == 2
    assert found.manifest_digest == descriptor.digest


def test_a_wrong_name_gets_the_nearest_right_one(images: Images) -> None:
    pictures.put(images, "lab/base", "a")
    with pytest.raises(NotFound, match="did you mean lab/base") as caught:
        images.get("lab/bas")
    assert "no such image: lab/bas" in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "ffff", f"lab/base@sha256:{'0' * 64}", f"sha256:{'0' * 64}"])
def test_a_name_that_leads_nowhere_is_not_found(images: Images, name: str) -> None:
    pictures.put(images, "lab/base", "a")
    with pytest.raises(NotFound):
        images.get(name)


def test_a_digest_counts_only_below_its_own_repository(images: Images) -> None:
    descriptor = pictures.put(images, "lab/base", "a")
    with pytest.raises(NotFound):
        images.get(f"other@{descriptor.digest}")


def test_an_ambiguous_start_of_an_id_is_refused(images: Images) -> None:
    ids = {
        images.get(pictures.put(images, None, str(n)).digest).id.removeprefix("sha256:") for n in range(17)
    }
    first = next(a for a in "0123456789abcdef" if sum(each.startswith(a) for each in ids) > 1)
    with pytest.raises(InvalidInput, match="several image ids"):
        images.get(first)


def test_a_name_wins_over_an_id(images: Images) -> None:
    one = pictures.put(images, None, "one")
    two = pictures.put(images, images.get(one.digest).id.removeprefix("sha256:")[:8], "two")
    assert images.get(images.get(one.digest).id.removeprefix("sha256:")[:8]).manifest_digest == two.digest


def test_a_name_that_moves_leaves_a_dangling_image(images: Images, home: Home) -> None:
    old = pictures.put(images, "lab/base", "old")
    new = pictures.put(images, "lab/base", "new")
    assert [(image.names, image.manifest_digest) for image in images.list()] == [
        (("lab/base:latest",), new.digest),
        ((), old.digest),
    ]
    assert refs(home) == {"lab/base:latest": new.digest}


def test_tag_gives_a_second_name_and_index_json_says_so(images: Images, home: Home) -> None:
    descriptor = pictures.put(images, "lab/base", "a")
    images.tag("lab/base", "quay.io/x/y:1")
    assert images.names() == ("lab/base:latest", "quay.io/x/y:1")
    assert refs(home) == {"lab/base:latest": descriptor.digest, "quay.io/x/y:1": descriptor.digest}
    with pytest.raises(InvalidInput, match="cannot be chosen"):
        images.tag("lab/base", f"x@{descriptor.digest}")
    with pytest.raises(NotFound):
        images.tag("nothing", "x")


def test_names_come_back_from_index_json_when_the_database_is_lost(images: Images, home: Home) -> None:
    pictures.put(images, "lab/base", "a")
    before = images.get("lab/base")
    images.close()
    for end in ("", "-wal", "-shm"):
        Path(f"{home.database}{end}").unlink(missing_ok=True)
    again = Images(home)
    assert again.get("lab/base") == before
    again.close()


def test_a_database_of_another_version_is_refused(images: Images, home: Home) -> None:
    with images.database.writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    images.close()
    with pytest.raises(Unsupported, match="another version"):
        images.names()


def test_a_damaged_database_is_named(home: Home) -> None:
    home.database.write_bytes(b"rubbish" * 1000)
    with pytest.raises(CorruptContent, match=r"state\.db is damaged"):
        Images(home).names()


# --- what may come in


def test_nothing_incomplete_gets_a_name(images: Images) -> None:
    descriptor = pictures.write(images, "a")
    found = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(found, Manifest)
    for blob in (found.layers[0], found.config, descriptor):
        images.blobs.path(blob.digest).unlink()
        with pytest.raises(NotFound, match=blob.digest):
            images.put("lab/base", descriptor)
    assert images.list() == ()


def rewritten(images: Images, **fields: object) -> Descriptor:
    """Write an image's manifest with other fields."""
    descriptor = pictures.write(images, "a")
    manifest = {**json.loads(images.blobs.read(descriptor.digest)), **fields}
    return images.blobs.write(json.dumps(manifest).encode(), documents.OCI_MANIFEST)


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"layers": []}, CorruptContent, "0 layers where its configuration names 1"),
        ({"manifests": []}, CorruptContent, "both layers and manifests"),
        ({"config": None}, CorruptContent, "config"),
    ],
)
def test_manifests_that_contradict_themselves_are_refused(
    images: Images, fields: dict[str, object], error: type[LabError], said: str
) -> None:
    with pytest.raises(error, match=said):
        images.put("lab/base", rewritten(images, **fields))
    assert images.list() == ()


def test_what_cannot_run_is_refused(images: Images) -> None:
    descriptor = pictures.write(images, "a")
    manifest = json.loads(images.blobs.read(descriptor.digest))
    encrypted = [{**each, "mediaType": each["mediaType"] + "+encrypted"} for each in manifest["layers"]]
    with pytest.raises(Unsupported, match="cannot be unpacked"):
        images.put("x", rewritten(images, layers=encrypted))
    chart = {**manifest["config"], "mediaType": "application/vnd.cncf.helm.config.v1+json"}
    with pytest.raises(Unsupported, match="another artifact"):
        images.put("x", rewritten(images, config=chart))


def test_a_layer_of_another_size_is_refused(images: Images) -> None:
    descriptor = pictures.write(images, "a")
    layers = json.loads(images.blobs.read(descriptor.digest))["layers"]
    with pytest.raises(CorruptContent, match="bytes it should have"):
        images.put("x", rewritten(images, layers=[{**layers[0], "size": layers[0]["size"] + 1}]))


def test_several_come_in_all_or_none(images: Images) -> None:
    good, bad = pictures.write(images, "good"), pictures.write(images, "bad")
    images.blobs.path(documents.decode_document(images.blobs.read(bad.digest)).config.digest).unlink()
    with pytest.raises(NotFound):
        images.put_all([("good", good), ("bad", bad)])
    assert images.list() == ()


def test_a_damaged_image_is_named_and_can_be_removed(images: Images, home: Home) -> None:
    pictures.put(images, "good", "good")
    pictures.put(images, "bad", "bad")
    images.blobs.path(images.get("bad").id).write_bytes(b"{}")
    again = Images(home)
    for ask in (lambda: again.get("bad"), again.list):
        with pytest.raises(CorruptContent, match="image bad:latest is damaged"):
            ask()
    removal.remove(again, "bad", unused)
    assert [image.names for image in again.list()] == [("good:latest",)]
    again.close()


# --- platforms


def test_of_an_index_the_right_platform_is_taken(images: Images) -> None:
    host = str(Platform.host())
    with images.blobs.lease():
        descriptor = pictures.write_index(images, ["linux/riscv64", host, "linux/arm/v6", "linux/arm/v7"])
        images.put("multi", descriptor)
    assert str(images.get("multi").config.platform) == host
    assert str(images.get("multi", "linux/arm").config.platform) == "linux/arm/v7"
    assert str(images.get("multi", "linux/arm/v6").config.platform) == "linux/arm/v6"
    assert images.get("multi").descriptor == descriptor
    assert len(images.list()) == 1
    by_id = images.get(images.get("multi", "riscv64").id)
    assert by_id.config.architecture == "riscv64"
    with pytest.raises(NotFound, match=r"linux/s390x \(there is: linux/.*riscv64"):
        images.get("multi", "linux/s390x")


def test_an_index_may_lack_platforms_but_not_all(images: Images) -> None:
    descriptor = pictures.write_index(images, ["linux/riscv64", "linux/s390x"])
    index = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(index, documents.Index)
    images.blobs.path(index.manifests[0].digest).unlink()
    images.put("multi", descriptor)
    assert images.get("multi").config.architecture == "s390x"
    images.blobs.path(index.manifests[1].digest).unlink()
    with pytest.raises(NotFound):
        images.put("other", descriptor)


def test_an_image_for_another_platform_is_found_but_not_as_one_for_this(images: Images) -> None:
    pictures.put(images, "foreign", "a", platform="linux/s390x")
    assert images.get("foreign").config.architecture == "s390x"
    with pytest.raises(NotFound, match="there is: linux/s390x"):
        images.get("foreign", str(Platform.host()))


# --- taking away


def test_the_last_name_takes_the_image_with_it(images: Images) -> None:
    pictures.put(images, "one", "shared", "a")
    pictures.put(images, "two", "shared", "b")
    images.tag("one", "uno")
    kept = images.get("two")
    gone = images.get("one").id
    assert removal.remove(images, "one", unused) == ["Untagged: one:latest"]
    assert removal.remove(images, "uno", unused) == ["Untagged: uno:latest", f"Deleted: {gone}"]
    assert set(images.blobs.digests()) == pictures.needed(images)
    assert images.referenced_diff_ids() == set(kept.diff_ids)


def test_an_id_with_several_names_needs_force(images: Images, home: Home) -> None:
    pictures.put(images, "one", "a")
    images.tag("one", "two")
    image_id = images.get("one").id
    with pytest.raises(Conflict, match="several names: one:latest, two:latest"):
        removal.remove(images, image_id, unused)
    assert len(removal.remove(images, image_id, unused, force=True)) == 3
    assert list(images.blobs.digests()) == []
    assert refs(home) == {}


def test_what_a_container_uses_stays(images: Images) -> None:
    pictures.put(images, "one", "a")
    image_id = images.get("one").id
    with pytest.raises(Conflict, match="used by the container web"):
        removal.remove(images, "one", lambda i: ["web"] if i == image_id else [])
    assert removal.remove(images, "one", lambda _: ["web"], force=True) == ["Untagged: one:latest"]
    assert images.get(image_id).names == ()
    assert removal.prune(images, lambda _: ["web"]) == ([], 0)
    assert removal.prune(images, unused)[0] == [f"Deleted: {image_id}"]


def test_prune_takes_the_dangling_and_with_everything_the_unused(images: Images) -> None:
    pictures.put(images, "x", "old")
    pictures.put(images, "x", "new")
    pictures.put(images, "used", "used")
    used = images.get("used").id
    removed, freed_bytes = removal.prune(images, unused)
    assert len(removed) == 1
    assert freed_bytes > 0
    removed, _ = removal.prune(images, lambda i: ["c"] if i == used else [], everything=True)
    assert removed[0] == "Untagged: x:latest"
    assert images.names() == ("used:latest",)


def test_a_lease_protects_also_when_the_clock_is_set_back(images: Images) -> None:
    with images.blobs.lease():
        (lease,) = images.home.temporary.glob("lease-*")
        os.utime(lease, times=(time.time() + 86400, time.time() + 86400))
        descriptor = pictures.write(images, "a")
        assert removal.collect(images) == 0
        images.put("x", descriptor)
    assert removal.collect(images) == 0
    assert pictures.is_complete(images)


def test_a_lease_protects_what_has_no_name_yet(images: Images) -> None:
    with images.blobs.lease():
        descriptor = pictures.write(images, "a")
        assert removal.collect(images) == 0
        images.put("x", descriptor)
    assert removal.collect(images) == 0
    with images.blobs.lease():
        pictures.write(images, "b")
    assert removal.collect(images) > 0
    assert pictures.is_complete(images)


def test_sizes_count_shared_layers_once(images: Images) -> None:
    one = pictures.put(images, "one", "shared", "a")
    two = pictures.put(images, "two", "shared", "b")
    measured = {each.digest: each for each in usage.measure(images)}
    shared = images.get("one").layers[0].size
    assert measured[one.digest].shared_bytes == measured[two.digest].shared_bytes == shared
    assert usage.total_bytes(images, measured) == sum(each.size_bytes for each in measured.values()) - shared


# --- many at once


def test_threads_share_one_store(images: Images) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(5):
                pictures.put(images, f"thread/{number}", str(number), str(step))
                assert images.get(f"thread/{number}").config.config.labels["content"] == f"{number},{step}"
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(images.names()) == 4


WORKER = """
import sys
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store import removal
from tests.store import pictures
images, number = Images(Home.open(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
for step in range(int(sys.argv[3])):
    pictures.put(images, "process/" + number, "shared", number, str(step % 7))
    removal.prune(images, lambda image_id: [])
    images.get("process/" + number)
"""


def worker(home: Home, number: int, steps: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(home.root), str(number), str(steps)], stdout=subprocess.PIPE
    )


@pytest.mark.slow
def test_eight_processes_put_and_collect(images: Images, home: Home) -> None:
    processes = [worker(home, number, 8) for number in range(8)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 8
    assert images.names() == tuple(f"process/{number}:latest" for number in range(8))
    assert pictures.is_complete(images)
    assert set(images.blobs.digests()) == pictures.needed(images)
    assert os.listdir(home.temporary) == []


@pytest.mark.slow
def test_a_writer_killed_anywhere_leaves_only_what_is_complete(images: Images, home: Home) -> None:
    chance = random.Random(1)
    for number in range(8):
        process = worker(home, number, 1000)
        assert process.stdout is not None
        process.stdout.readline()
        # Not a wait for something: the moment of death has to be any moment.
        threading.Event().wait(chance.uniform(0.0, 0.08))
        process.kill()
        process.communicate()
        assert pictures.is_complete(images)
        assert set(refs(home)) >= set(images.names())
    home.sweep()
    removal.prune(images, unused)
    assert os.listdir(home.temporary) == []
    assert pictures.is_complete(images)
    assert set(refs(home)) == set(images.names())


def test_a_forked_child_uses_the_store_beside_its_parent(images: Images) -> None:
    pictures.put(images, "parent", "a")
    pid = os.fork()
    if pid == 0:
        try:
            images.get("parent")
            pictures.put(images, "child", "b")
            os._exit(0)
        except BaseException:
            os._exit(1)
    pictures.put(images, "parent/again", "c")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert images.names() == ("child:latest", "parent:latest", "parent/again:latest")
    assert pictures.is_complete(images)


# --- other tools


@pytest.mark.system("skopeo")
def test_skopeo_reads_the_store_as_it_is(images: Images, home: Home) -> None:
    pictures.put(images, "lab/base", "a", "b")
    image = images.get("lab/base")
    printed = subprocess.check_output(["skopeo", "inspect", f"oci:{home.oci}:lab/base:latest"])
    seen = json.loads(printed)
    assert seen["Digest"] == image.manifest_digest
    assert seen["Layers"] == [layer.digest for layer in image.layers]
    assert seen["Labels"] == {"content": "a,b"}


def test_raw_bytes_are_kept(images: Images) -> None:
    descriptor = pictures.write(images, "a")
    spaced = json.dumps(json.loads(images.blobs.read(descriptor.digest)), indent=7).encode()
    odd = images.blobs.write(spaced, documents.OCI_MANIFEST)
    images.put("odd", odd)
    assert images.get("odd").manifest_raw == spaced
    assert images.get("odd").manifest_digest == odd.digest


def test_annotations_of_a_descriptor_do_not_enter_the_store(images: Images, home: Home) -> None:
    descriptor = msgspec.structs.replace(pictures.write(images, "a"), annotations={"x": "y"})
    images.put("x", descriptor)
    assert images.get("x").descriptor.annotations == {}
