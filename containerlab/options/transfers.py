"""The options of what moves images to and from registries: one line each, a table for each command."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.flag import Flag
from containerlab.options.tls import TLS_VERIFY

__all__ = ["POLICIES", "PullOptions", "PushOptions"]

POLICIES = ("always", "missing", "never", "newer")


# fmt: off
class PullOptions(TypedDict, total=False):
    all_tags: Annotated[bool, Flag("-a --all-tags", units.switch, "All tags of the repository")]
    platform: Annotated[str, Flag("--platform", v.text, "Of an image for several platforms these: linux/arm64,linux/amd64, or all", "PLATFORM", completes="linux/amd64 linux/arm64 all")]
    policy: Annotated[str, Flag("--policy", v.choice(*POLICIES), "When to ask the registry: always (the default), missing, never, newer", "WHEN", completes=" ".join(POLICIES))]
    referrers: Annotated[bool, Flag("--referrers", units.switch, "Signatures and whatever else speaks about the image too")]
    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Show the name alone")]
    jobs: Annotated[int, Flag("-j --jobs", v.whole(1, 64), "How many layers at once (3)", "NUMBER")]
    tls_verify: Annotated[bool, TLS_VERIFY]
    disable_content_trust: Annotated[bool, Flag("--disable-content-trust", units.switch, "Accepted for Docker's sake")]


class PushOptions(TypedDict, total=False):
    all_tags: Annotated[bool, Flag("-a --all-tags", units.switch, "All tags that the store has of the repository")]
    platform: Annotated[str, Flag("--platform", v.text, "Of an image for several platforms this one alone", "PLATFORM", completes="linux/amd64 linux/arm64")]
    referrers: Annotated[bool, Flag("--referrers", units.switch, "What was pulled with --referrers too")]
    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Show the name alone")]
    jobs: Annotated[int, Flag("-j --jobs", v.whole(1, 64), "How many layers at once (5)", "NUMBER")]
    tls_verify: Annotated[bool, TLS_VERIFY]
    disable_content_trust: Annotated[bool, Flag("--disable-content-trust", units.switch, "Accepted for Docker's sake")]
# fmt: on
