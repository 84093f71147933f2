"""The layers of an image above its base come onto another base, without a build.

They are as they were: what they were made from is not looked at, so programs have to suit the new base.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from containerlab import errors
from containerlab.oci.image import Config, History, ImageConfig, RootFS
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.flatten import Merged, merge
from containerlab.store.images import Image
from containerlab.store.layer_writer import Committed
from containerlab.store.tar_read import Entry

__all__ = ["Stack", "collisions", "find_base", "own_layers", "rebased", "stack"]

_V = TypeVar("_V")


class Stack(NamedTuple):
    """An image without documents: layers, lowest first, and a configuration that names them."""

    layers: tuple[Committed, ...]
    config: ImageConfig


def stack(image: Image) -> Stack:
    """Return an image of the store as a stack."""
    return Stack(tuple(map(Committed, image.layers, image.diff_ids)), image.config)


def find_base(image: Image, candidates: Iterable[Image]) -> Image:
    """Return the candidate whose layers are the most of the lowest ones of an image.

    Raises: NotFound when none is below it.
    """
    below = [each for each in candidates if each.diff_ids and _is_below(each, image)]
    if not below:
        raise errors.NotFound(
            f"no image in the store is the base of {_named(image)}", "name its old base with --from"
        )
    return max(below, key=lambda each: len(each.diff_ids))


def _is_below(base: Image, image: Image) -> bool:
    count = len(base.diff_ids)
    return count < len(image.diff_ids) and image.diff_ids[:count] == base.diff_ids


def _named(image: Image) -> str:
    return image.names[0] if image.names else image.id[:19]


def own_layers(image: Image, base: Image) -> tuple[Committed, ...]:
    """Return the layers that an image has above its base.

    Raises: InvalidInput when that is not its base.
    """
    if not _is_below(base, image):
        raise errors.InvalidInput(
            f"{_named(base)} is not the base of {_named(image)}: the lowest layers differ",
            "see `image inspect`, RootFS.Layers, of both",
        )
    return stack(image).layers[len(base.diff_ids) :]


def rebased(image: Image, old: Image, new: Image) -> Stack:
    """Return what an image is on the base `new` instead of `old`.

    Of the configuration, what the image has as its old base had it is taken from the new one; what it set
    itself stays.

    Raises: InvalidInput when `old` is not its base or `new` is for another platform.
    """
    own = own_layers(image, old)
    platform, other = image.config.platform, new.config.platform
    if (platform.os, platform.architecture) != (other.os, other.architecture):
        raise errors.InvalidInput(
            f"{_named(new)} is for {other}, not for {platform} as {_named(image)}", "choose another base"
        )
    layers = (*stack(new).layers, *own)
    config = msgspec.structs.replace(
        image.config,
        os_version=new.config.os_version,
        os_features=new.config.os_features,
        config=_merged(image.config.config, old.config.config, new.config.config),
        rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
        history=(*new.config.history, *_own_history(image, old, len(own))),
    )
    return Stack(layers, config)


def _own_history(image: Image, old: Image, layers: int) -> Sequence[History]:
    """Return the lines of an image that its base has not; one for each layer when they do not tell."""
    history, base = image.config.history, old.config.history
    own = history[len(base) :] if history[: len(base)] == base else _above(history, len(old.diff_ids))
    if sum(not line.empty_layer for line in own) != layers:
        return [History(created=image.config.created, created_by="image rebase")] * layers
    return own


def _above(history: Sequence[History], layers: int) -> Sequence[History]:
    """Return the lines after those that made the lowest layers."""
    for number, line in enumerate(history):
        if layers == 0:
            return history[number:]
        layers -= not line.empty_layer
    return ()


# --- configuration --------------------------------------------------------------------------------


def _merged(own: Config, old: Config, new: Config) -> Config:
    command = own if (own.entrypoint, own.cmd) != (old.entrypoint, old.cmd) else new
    changes = {
        name: getattr(own if getattr(own, name) != getattr(old, name) else new, name)
        for name in (
            "user",
            "working_dir",
            "stop_signal",
            "healthcheck",
            "shell",
            "stop_timeout",
            "args_escaped",
        )
    }
    return msgspec.structs.replace(
        own,
        env=_merged_env(own.env, old.env, new.env),
        labels=_merged_map(own.labels, old.labels, new.labels),
        exposed_ports=_merged_map(own.exposed_ports, old.exposed_ports, new.exposed_ports),
        volumes=_merged_map(own.volumes, old.volumes, new.volumes),
        entrypoint=command.entrypoint,
        cmd=command.cmd,
        **changes,
    )


def _merged_map(own: Mapping[str, _V], old: Mapping[str, _V], new: Mapping[str, _V]) -> dict[str, _V]:
    """Take from the new base what the old one gave, and keep what the image set itself."""
    kept = {key: value for key, value in own.items() if key not in old or old[key] != value}
    return {**{key: value for key, value in new.items() if key in own or key not in old}, **kept}


def _merged_env(own: Sequence[str], old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    ours, before, after = (dict(line.partition("=")[::2] for line in env) for env in (own, old, new))
    merged = _merged_map(_with_new_values(ours, before, after), before, after)
    return tuple(f"{name}={value}" for name, value in merged.items())


def _with_new_values(ours: dict[str, str], before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Where a list (as PATH=/app/bin:$PATH) has the old base's value in it, put the new one's there."""
    changed = dict(ours)
    for name, value in ours.items():
        inside, wanted = before.get(name, ""), after.get(name, "")
        if inside and wanted and value != inside and f":{inside}:" in f":{value}:":
            changed[name] = f":{value}:".replace(f":{inside}:", f":{wanted}:").strip(":")
    return changed


# --- files ----------------------------------------------------------------------------------------


def collisions(blobs: Blobs, own: Sequence[Committed], old: Image, new: Image) -> tuple[str, ...]:
    """Return the files that both the image and its new base changed: the image's own hide the new ones.

    Raises: NotFound, CorruptContent.
    """
    ours = merge(blobs, [layer.descriptor for layer in own])
    before, after = merge(blobs, old.layers), merge(blobs, new.layers)
    changed = {path for path in after.nodes if _about(before, path) != _about(after, path)}
    touched = {path for path, found in ours.nodes.items() if not _is_directory(found.entry)} | ours.whiteouts
    clashing = {path for path in touched & changed if not _is_same(ours, after, path)}
    return tuple(sorted("/" + path.decode("utf-8", "replace") for path in clashing))


def _about(merged: Merged, path: bytes) -> tuple[object, ...] | None:
    """Return what tells that a file is another; a directory counts for being one alone."""
    found = merged.nodes.get(path)
    if found is None:
        return None
    entry = found.entry
    if _is_directory(entry):
        return (entry.kind,)
    return entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.link, entry.mtime_ns


def _is_same(ours: Merged, after: Merged, path: bytes) -> bool:
    return path in ours.nodes and _about(ours, path) == _about(after, path)


def _is_directory(entry: Entry) -> bool:
    return entry.kind == tar.DIRECTORY
