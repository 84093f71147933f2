"""The options of `compare`: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.container import Size, Words
from containerlab.options.flag import Flag

__all__ = ["CLAIMS", "TIERS", "CompareOptions"]

CLAIMS = ("start", "performance", "footprint", "recovery", "lifecycle", "delivery")
TIERS = ("resume", "microvm", "image", "classic")


# fmt: off
class CompareOptions(TypedDict, total=False):
    claim: Annotated[Words, Flag("-c --claim", v.choice(*CLAIMS), "Put only this one to the test: start, performance, footprint, recovery, lifecycle, delivery", "CLAIM", "", tuple, completes=" ".join(CLAIMS))]
    subject: Annotated[Words, Flag("-s --subject", v.text, "Only those whose names begin so: bare, containerlab, crun, runc, docker, podman, vm", "NAME", "", tuple, completes="bare containerlab crun runc docker podman vm")]
    tier: Annotated[Words, Flag("--tier", v.choice(*TIERS), "Machines of this tier only: resume, microvm, image, classic", "TIER", "", tuple, completes=" ".join(TIERS))]
    quick: Annotated[bool, Flag("--quick", units.switch, "A first look: fewer and shorter rounds, no classic machine")]
    rounds: Annotated[int | str, Flag("-n --rounds", v.whole(1, 10_000), "How many rounds of each experiment", "NUMBER")]
    seed: Annotated[int | str, Flag("--seed", v.whole(0, 2**63 - 1), "Draw the same orders again", "NUMBER")]
    memory: Annotated[Size, Flag("-m --memory", units.size, "Memory of each machine; else by tier: 256m to 768m", "SIZE")]
    save: Annotated[str, Flag("--save", v.file_path, "Keep the raw data in this directory", "DIRECTORY", completes="file")]
    report: Annotated[str, Flag("--report", v.file_path, "Write all of it into one HTML file", "FILE", completes="file")]
# fmt: on
