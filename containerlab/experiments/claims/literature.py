"""What others measured on real hardware: quoted where this machine can only emulate."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["QUOTES", "Quote", "of_claim"]


class Quote(NamedTuple):
    """claim: as `Row.claim`. tiers: those it is about, empty for all. source: as a reader finds it."""

    claim: str
    tiers: tuple[str, ...]
    text: str
    source: str


_FELTER = (
    "Felter, Ferreira, Rajamony, Rubio: An Updated Performance Comparison of Virtual Machines and Linux "
    "Containers, ISPASS 2015 (IBM RC25482); raw data: github.com/thewmf/kvm-docker-comparison"
)
_AGACHE = (
    "Agache et al.: Firecracker: Lightweight Virtualization for Serverless Applications, NSDI 2020; raw "
    "data: github.com/firecracker-microvm/nsdi2020-data"
)
_MANCO = "Manco et al.: My VM is Lighter (and Safer) than your Container, SOSP 2017"
_RIJN = (
    "van Rijn, Rellermeyer: A Fresh Look at the Architecture and Performance of Contemporary Isolation "
    "Platforms, Middleware 2021; arXiv:2110.11462"
)
_CLOUD = (
    "Hao, Jiang, Wang, Kim: An Empirical Analysis of VM Startup Times in Public IaaS Clouds, 2021; "
    "arXiv:2107.03467"
)
_KATA = "Kata Containers, RuntimeClass kata-qemu as its project ships it"
_UNIKRAFT = (
    "Kuenzer et al.: Unikraft: Fast, Specialized Unikernels the Easy Way, EuroSys 2021; raw data: "
    "github.com/unikraft/eurosys21-artifacts"
)
_SLACKER = "Harter et al.: Slacker: Fast Distribution with Lazy Docker Containers, FAST 2016"

QUOTES = (
    Quote(
        "performance",
        (),
        "Linpack 290.8 GFLOPS on the bare machine, 290.9 in Docker, 284.2 in KVM pinned and tuned, 130 in "
        "KVM as it comes; random reads of a disk 84.0 k a second bare, 84.1 k in Docker, 42.5 k in KVM",
        _FELTER,
    ),
    Quote(
        "performance",
        (),
        "containers come near the bare machine; what isolates more costs more, and unevenly",
        _RIJN,
    ),
    Quote(
        "start",
        ("resume", "microvm"),
        "with KVM, median of 500 boots: Firecracker 161 ms, Cloud Hypervisor 102 ms, QEMU with a firmware "
        "244 ms, QEMU's microvm 582 ms",
        _AGACHE,
    ),
    Quote(
        "start",
        ("image",),
        "with KVM, median of 500 boots: QEMU with SeaBIOS 244 ms, with qboot 214 ms",
        _AGACHE,
    ),
    Quote(
        "start",
        ("classic",),
        "300 000 starts at each of two cloud providers: much quicker than earlier studies found them",
        _CLOUD,
    ),
    Quote(
        "start",
        (),
        "a unikernel boots in 2.3 ms, two orders of magnitude faster than Docker starts a container",
        _MANCO,
    ),
    Quote(
        "footprint",
        (),
        "a guest of 128 MiB took 132 to 148 MB of the host, one of 1 GiB 188 to 215 MB; beside the guest's "
        "own memory Firecracker takes 2.5 MB, Cloud Hypervisor 13.3 MB, QEMU 131 to 148 MB",
        _AGACHE,
    ),
    Quote("footprint", (), "160 MiB are reckoned with for each pod beside its own memory", _KATA),
    Quote(
        "footprint",
        (),
        "least memory for a hello world: Docker 6 MB, a Linux microVM 29 MB, a unikernel 2 MB",
        _UNIKRAFT,
    ),
    Quote(
        "recovery",
        ("resume", "microvm", "image"),
        "with KVM, median of 500 boots, which a restart takes at least: Firecracker 161 ms, QEMU with a "
        "firmware 244 ms, QEMU's microvm 582 ms",
        _AGACHE,
    ),
    Quote(
        "lifecycle",
        ("resume", "microvm", "image"),
        "with KVM, 50 machines at once: half were there after 206 ms (Firecracker), 231 ms (QEMU)",
        _AGACHE,
    ),
    Quote(
        "delivery",
        (),
        "of 57 images, 76 per cent of the time to start is the pull, and 6.4 per cent of the bytes are read; "
        "blocks told apart by content save more across images than compressed layers do",
        _SLACKER,
    ),
)


def of_claim(claim: str, tier: str = "") -> Quote | None:
    """Return what is to be quoted for a claim about a tier: what is about that tier, else about all.

    >>> of_claim("start", "image").text
    'with KVM, median of 500 boots: QEMU with SeaBIOS 244 ms, with qboot 214 ms'
    """
    fitting = [quote for quote in QUOTES if quote.claim == claim]
    own = [quote for quote in fitting if tier in quote.tiers]
    general = [quote for quote in fitting if not quote.tiers]
    return next(iter(own + general), None)
