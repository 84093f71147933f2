"""Images made of the layers of others: on another base, without a file, with fewer layers."""

from __future__ import annotations

import msgspec
import pytest

from containerlab import errors
from containerlab.backends.embedded.reworking import ReworkingVerbs
from containerlab.oci.image import Config, History, ImageConfig, RootFS, encode_config
from containerlab.store import removal
from containerlab.store import tar_write as tar
from containerlab.store.assemble import write_manifest
from containerlab.store.compression import opened
from containerlab.store.images import Image, Images
from containerlab.store.layer_writer import Committed, layer_writer
from tests.store.tars import archive, entry, link

PLAIN = Config()
SECRET = b"hunter2-and-more"
BASE = archive(
    entry("etc/", tar.DIRECTORY), entry("etc/version", content=b"1"), entry("etc/same", content=b"s")
)
NEW_BASE = archive(
    entry("etc/", tar.DIRECTORY), entry("etc/version", content=b"2!"), entry("etc/same", content=b"s")
)
LEAK = archive(
    entry("app/", tar.DIRECTORY), entry("app/key", content=SECRET), entry("app/code", content=b"code")
)
DELETED = archive(entry("app/.wh.key"), entry("app/more", content=b"more"))


class Reworking(ReworkingVerbs):
    def __init__(self, images: Images) -> None:
        self.store = images


@pytest.fixture
def reworking(images: Images) -> Reworking:
    return Reworking(images)


def put(
    images: Images, name: str, *archives: bytes, config: Config = PLAIN, platform: str = "amd64"
) -> Image:
    """Bring in an image with a line of history for each layer, and one that made none."""
    with removal.leased(images):
        layers = [_layer(images, each) for each in archives]
        lines = [History(created_by=f"{name} {number}") for number, _ in enumerate(layers)]
        document = ImageConfig(
            architecture=platform,
            os="linux",
            config=config,
            rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
            history=(*lines, History(created_by=f"{name} CMD", empty_layer=True)),
        )
        blobs = [layer.descriptor for layer in layers]
        images.put(name, write_manifest(images.blobs, encode_config(document), blobs))
    return images.get(name)


def _layer(images: Images, data: bytes) -> Committed:
    with layer_writer(images.blobs) as writer:
        writer.write(data)
        return writer.commit()


def on(images: Images, base: Image, name: str, *archives: bytes, config: Config | None = None) -> Image:
    """Bring in an image that stands on another."""
    with removal.leased(images):
        layers = [_layer(images, each) for each in archives]
        lines = tuple(History(created_by=f"{name} {number}") for number, _ in enumerate(layers))
        document = msgspec.structs.replace(
            base.config,
            config=config or base.config.config,
            rootfs=RootFS(diff_ids=(*base.diff_ids, *(layer.diff_id for layer in layers))),
            history=(*base.config.history, *lines),
        )
        blobs = [*base.layers, *(layer.descriptor for layer in layers)]
        images.put(name, write_manifest(images.blobs, encode_config(document), blobs))
    return images.get(name)


def content(images: Images, image: Image) -> bytes:
    """Return all bytes of all blobs that an image refers to."""
    parts = [image.manifest_raw, image.config_raw]
    for layer in image.layers:
        with images.blobs.open(layer) as blob:
            parts.append(opened(blob).read())
    return b"".join(parts)


def test_a_squashed_image_has_nothing_of_what_was_deleted(images: Images, reworking: Reworking) -> None:
    leaking = put(images, "leaking", BASE, LEAK, DELETED)
    assert SECRET in content(images, leaking)
    made = images.get(reworking.squash_image("leaking", "clean").info.id)
    assert SECRET not in content(images, made)
    assert b".wh." not in content(images, made)
    assert len(made.layers) == 1
    assert made.names == ("clean:latest",)
    assert [line.empty_layer for line in made.config.history] == [True] * 4 + [False]
    assert b"app/more" in content(images, made)


def test_squashing_leaves_a_base_alone(images: Images, reworking: Reworking) -> None:
    base = put(images, "base", BASE)
    on(images, base, "app", LEAK, DELETED, archive(entry("etc/.wh.same")))
    made = images.get(reworking.squash_image("app", "clean", base="base").info.id)
    assert made.layers[0] == base.layers[0]
    assert len(made.layers) == 2
    assert SECRET not in content(images, made)
    assert b"etc/.wh.same" in content(images, made)
    assert sum(not line.empty_layer for line in made.config.history) == 2


def test_without_a_tag_the_name_moves(images: Images, reworking: Reworking) -> None:
    leaking = put(images, "leaking", BASE, LEAK, DELETED)
    made = reworking.squash_image("leaking")
    assert images.get("leaking").id == made.info.id != leaking.id
    assert images.get(leaking.id).names == ()
    assert "image rm" in made.notices[0]


def test_a_dropped_file_is_in_no_blob(images: Images, reworking: Reworking) -> None:
    leaking = put(images, "leaking", BASE, LEAK, DELETED)
    made = images.get(reworking.rebase_image("leaking", "clean", drop=["/app/key"]).info.id)
    assert SECRET not in content(images, made)
    assert b"app/.wh.key" not in content(images, made)
    assert b"app/code" in content(images, made)
    assert made.layers[0] == leaking.layers[0]
    assert len(made.layers) == 3
    assert made.config.history[-1].created_by == "drop /app/key"


def test_a_file_that_was_written_over_in_its_layer_is_dropped_too(
    images: Images, reworking: Reworking
) -> None:
    put(images, "leaking", archive(entry("key", content=SECRET), entry("./key", content=b"harmless")))
    made = images.get(reworking.rebase_image("leaking", "clean", drop=["key"]).info.id)
    assert SECRET not in content(images, made)


def test_a_file_that_is_reached_through_a_link_is_dropped(images: Images, reworking: Reworking) -> None:
    put(
        images, "leaking", archive(entry("a/", tar.DIRECTORY), link("b", "a"), entry("b/key", content=SECRET))
    )
    made = images.get(reworking.rebase_image("leaking", "clean", drop=["a/key"]).info.id)
    assert SECRET not in content(images, made)


def test_a_dropped_directory_goes_with_all_in_it(images: Images, reworking: Reworking) -> None:
    put(images, "leaking", BASE, LEAK, DELETED)
    made = images.get(reworking.rebase_image("leaking", "clean", drop=["app"]).info.id)
    assert b"app/" not in content(images, made)


@pytest.mark.parametrize("path", ["key", "other"])
def test_a_file_with_another_name_is_not_half_dropped(
    images: Images, reworking: Reworking, path: str
) -> None:
    put(images, "leaking", archive(entry("key", content=SECRET), link("other", "key", tar.HARD_LINK)))
    with pytest.raises(errors.InvalidInput, match="is also called"):
        reworking.rebase_image("leaking", "clean", drop=[path])
    made = images.get(reworking.rebase_image("leaking", "clean", drop=["key", "other"]).info.id)
    assert SECRET not in content(images, made)


def test_a_path_that_is_nowhere(images: Images, reworking: Reworking) -> None:
    put(images, "clean", BASE)
    for path in ("/etc/versio", "etc/version/x", "app"):
        with pytest.raises(errors.NotFound, match="no layer of the image has"):
            reworking.rebase_image("clean", drop=[path])
    with pytest.raises(errors.InvalidInput, match="all files"):
        reworking.rebase_image("clean", drop=["/"])


def test_another_base(images: Images, reworking: Reworking) -> None:
    old = put(
        images, "old", BASE, config=Config(env=("PATH=/bin", "BASE=1", "MINE=0"), cmd=("old",), user="u")
    )
    new = put(
        images, "new", NEW_BASE, config=Config(env=("PATH=/usr/bin", "FRESH=2", "MINE=0"), cmd=("new",))
    )
    env = ("PATH=/app/bin:/bin", "BASE=1", "MINE=mine", "APP=3")
    config = msgspec.structs.replace(old.config.config, env=env, labels={"own": "yes"})
    app = on(images, old, "app", LEAK, config=config)
    made = reworking.rebase_image("app", "moved", onto="new")
    image = images.get(made.info.id)
    assert image.layers == (*new.layers, app.layers[-1])
    found = image.config.config
    assert set(found.env) == {"PATH=/app/bin:/usr/bin", "FRESH=2", "MINE=mine", "APP=3"}
    assert (found.cmd, found.user, found.labels) == (("new",), "", {"own": "yes"})
    assert [line.created_by for line in image.config.history] == ["new 0", "new CMD", "app 0"]
    assert image.manifest.annotations["org.opencontainers.image.base.name"] == "new:latest"
    assert not [notice for notice in made.notices if "hide" in notice]


def test_files_that_both_changed_are_told(images: Images, reworking: Reworking) -> None:
    old = put(images, "old", BASE)
    put(images, "new", NEW_BASE)
    own = archive(
        entry("etc/", tar.DIRECTORY), entry("etc/version", content=b"own"), entry("etc/same", content=b"own")
    )
    on(images, old, "app", own)
    made = reworking.rebase_image("app", "moved", onto="new", old="old")
    assert "new base changed: /etc/version" in made.notices[0]
    assert "same" not in made.notices[0]


def test_a_command_of_its_own_stays(images: Images, reworking: Reworking) -> None:
    old = put(images, "old", BASE, config=Config(cmd=("old",)))
    put(images, "new", NEW_BASE, config=Config(entrypoint=("e",), cmd=("new",)))
    on(images, old, "app", LEAK, config=Config(cmd=("own",)))
    found = images.get(reworking.rebase_image("app", "moved", onto="new").info.id).config.config
    assert (found.entrypoint, found.cmd) == ((), ("own",))


def test_what_is_not_its_base(images: Images, reworking: Reworking) -> None:
    put(images, "one", BASE, LEAK)
    put(images, "two", NEW_BASE)
    with pytest.raises(errors.InvalidInput, match="the lowest layers differ"):
        reworking.rebase_image("one", onto="two", old="two")
    with pytest.raises(errors.NotFound, match="is the base of"):
        reworking.rebase_image("one", onto="two")
    with pytest.raises(errors.InvalidInput, match="the lowest layers differ"):
        reworking.squash_image("one", base="two")


def test_a_base_for_another_processor(images: Images, reworking: Reworking) -> None:
    old = put(images, "old", BASE)
    put(images, "new", NEW_BASE, platform="s390x")
    on(images, old, "app", LEAK)
    with pytest.raises(errors.LabError, match="s390x"):
        reworking.rebase_image("app", onto="new")
