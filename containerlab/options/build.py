"""The options of `build` and of what goes with it: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.container import Duration, Pairs, Size, Words
from containerlab.options.flag import Flag

__all__ = ["BuildOptions", "BuilderPruneOptions", "LayerOptions"]


def _jobs(value: int | str) -> int:
    return v.whole(0, 1024)(value)


def _yes_or_keys(value: str | bool) -> str:
    """Read what is a switch in Python and may say more in words."""
    return str(value).lower() if isinstance(value, bool) else v.text(value)


# fmt: off
class Inputs(TypedDict, total=False):
    """What a Dockerfile refers to and does not say."""

    build_arg: Annotated[Pairs, Flag("--build-arg", v.text, "Set an ARG: NAME=value, or NAME to hand on this process's variable", "NAME=VALUE", "buildargs", tuple)]
    build_context: Annotated[Pairs, Flag("--build-context", v.pair, "More files or images by a name: name=DIRECTORY, docker-image://…, oci-layout://…, URL", "NAME=SOURCE", collect=tuple)]


class Display(TypedDict, total=False):
    """How it is shown."""

    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Show nothing but the image's id", "", "q")]
    progress: Annotated[str, Flag("--progress", v.choice("auto", "plain", "tty", "rawjson", "quiet"), "How to show it: auto, plain, tty, rawjson, quiet", "KIND", completes="auto plain tty rawjson quiet")]


class What(TypedDict, total=False):
    """What is built, from what."""

    tag: Annotated[Words, Flag("-t --tag", v.text, "Name of the image", "NAME[:TAG]", "t", tuple, completes="image")]
    file: Annotated[str, Flag("-f --file", v.text, "The Dockerfile, if it is not CONTEXT/Dockerfile; - for standard input", "FILE", "dockerfile", completes="file")]
    target: Annotated[str, Flag("--target", v.text, "Build up to this stage", "STAGE", "target")]
    label: Annotated[Pairs, Flag("--label", v.pair, "Set a label of the image", "KEY=VALUE", "labels", dict)]
    annotation: Annotated[Words, Flag("--annotation", v.text, "Set an annotation of the manifest, or index:KEY=VALUE", "KEY=VALUE", collect=tuple)]
    platform: Annotated[Words, Flag("--platform", v.text, "Build for these: linux/amd64,linux/arm64", "PLATFORMS", "platform", tuple, completes="linux/amd64 linux/arm64")]
    pull: Annotated[bool, Flag("--pull", units.switch, "Ask the registries for base images that are in the store too", "", "pull")]
    ignore_file: Annotated[str, Flag("--ignore-file --ignorefile", v.text, "Another file than .dockerignore", "FILE", completes="file")]


class How(TypedDict, total=False):
    """How steps run."""

    jobs: Annotated[int | str, Flag("-j --jobs", _jobs, "How many steps at once; 0: as many as are ready", "NUMBER")]
    network: Annotated[str, Flag("--network", v.choice("default", "host", "none"), "Network of RUN: host (the default), none", "MODE", "networkmode", completes="default host none")]
    add_host: Annotated[Pairs, Flag("--add-host", v.extra_host, "Add a line to /etc/hosts of RUN: name:address", "NAME:ADDRESS", "extrahosts", tuple, ":")]
    shm_size: Annotated[Size, Flag("--shm-size", units.size, "Size of /dev/shm of RUN", "SIZE", "shmsize")]
    ulimit: Annotated[Words, Flag("--ulimit", v.ulimit, "Resource limit of RUN: nofile=1024:4096", "NAME=SOFT[:HARD]", "ulimits", tuple)]
    memory: Annotated[Size, Flag("-m --memory", units.size, "Most memory of a RUN", "SIZE", "memory")]
    cpus: Annotated[float | str, Flag("--cpus", units.cores, "Most processor cores of a RUN", "NUMBER")]
    cgroup_parent: Annotated[str, Flag("--cgroup-parent", v.text, "Cgroup to make those of RUN in", "PATH")]
    allow: Annotated[Words, Flag("--allow", v.choice("security.insecure", "network.host"), "Let RUN ask for this: security.insecure; network.host needs none", "RIGHT", collect=tuple, completes="security.insecure network.host")]
    secret: Annotated[Words, Flag("--secret", v.text, "A value that RUN may mount: id=NAME[,src=FILE|env=VARIABLE]", "KEYS", collect=tuple)]
    ssh: Annotated[Words, Flag("--ssh", v.text, "An agent that RUN may mount: default, or id=SOCKET|KEY", "ID[=PATH]", collect=tuple)]
    allow_secret_in_layer: Annotated[bool, Flag("--allow-secret-in-layer", units.switch, "Do not refuse a layer that has the value of a secret")]
    debug: Annotated[bool, Flag("--debug", units.switch, "Keep a container as a step that failed left it, for exec")]


class Remembering(TypedDict, total=False):
    """What of earlier builds counts."""

    no_cache: Annotated[bool, Flag("--no-cache", units.switch, "Do every step again (cache mounts stay)", "", "nocache")]
    no_cache_filter: Annotated[Words, Flag("--no-cache-filter", v.text, "Do the steps of these stages again", "STAGES", collect=tuple)]
    cache_from: Annotated[Words, Flag("--cache-from", v.text, "Take steps from what --cache-to wrote: NAME, DIRECTORY, type=registry,ref=…, type=local,src=…", "SOURCE", "cachefrom", tuple, completes="file")]
    cache_to: Annotated[Words, Flag("--cache-to", v.text, "Write the steps for other machines: NAME, DIRECTORY, type=registry,ref=…[,mode=max], type=local,dest=…", "TARGET", collect=tuple, completes="file")]
    explain_cache: Annotated[bool, Flag("--explain-cache", units.switch, "Say why a step was not cached")]


class Result(TypedDict, total=False):
    """What comes of it."""

    output: Annotated[Words, Flag("-o --output", v.text, "Where to: DIRECTORY, -, type=image|local|tar|oci|docker|cacheonly[,dest=…]", "OUTPUT", "outputs", tuple, completes="file")]
    compression: Annotated[str, Flag("--compression", v.choice("gzip", "zstd", "none"), "Of layers: gzip, zstd, none", "KIND", completes="gzip zstd none")]
    squash: Annotated[bool, Flag("--squash", units.switch, "Make one layer of all new ones", "", "squash")]
    sbom: Annotated[str | bool, Flag("--sbom", _yes_or_keys, "Attach a list of its packages: true, generator=cyclonedx", "VALUE")]
    provenance: Annotated[str | bool, Flag("--provenance", _yes_or_keys, "Attach how it was built: true, mode=min|max", "VALUE")]
    attest: Annotated[Words, Flag("--attest", v.text, "Attach: type=sbom, type=provenance,mode=max", "KEYS", collect=tuple)]
    iidfile: Annotated[str, Flag("--iidfile", v.file_path, "Write the image's id to this file", "FILE", completes="file")]
    metadata_file: Annotated[str, Flag("--metadata-file", v.file_path, "Write what was built to this file, as JSON", "FILE", completes="file")]
    load: Annotated[bool, Flag("--load", units.switch, "Accepted for Docker's sake: images are in the store anyway")]
    push: Annotated[bool, Flag("--push", units.switch, "Push the image under its names to their registries")]
    rm: Annotated[bool, Flag("--rm", units.switch, "Accepted for Docker's sake: containers of steps never stay")]
    force_rm: Annotated[bool, Flag("--force-rm", units.switch, "Accepted for Docker's sake, as --rm")]


class BuildOptions(What, Inputs, How, Remembering, Result, Display, total=False):
    """The options of `build`."""


class LayerOptions(Inputs, How, Remembering, Display, total=False):
    """The options of `layer`."""

    tag: Annotated[str, Flag("-t --tag", v.text, "Name of the image that grows", "NAME[:TAG]", completes="image")]
    base: Annotated[str, Flag("--from", v.text, "Begin anew, on this image", "IMAGE", completes="image")]


class BuilderPruneOptions(TypedDict, total=False):
    """The options of `builder prune`."""

    all: Annotated[bool, Flag("-a --all", units.switch, "Everything, also what images are made of and cache mounts")]
    until: Annotated[Duration, Flag("--until", units.seconds, "Only what was not of use for so long: 24h", "DURATION")]
    keep_storage: Annotated[Size, Flag("--keep-storage --reserved-space", units.size, "Stop when so much is left", "SIZE")]
    force: Annotated[bool, Flag("-f --force", units.switch, "Do not ask")]
# fmt: on
