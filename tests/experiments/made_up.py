"""Rows made by hand, as large as a measurement once gave. Nobody measured these: they are for tests alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from containerlab.experiments.row import Row

TIERS = ("resume", "microvm", "image", "classic")
BARE, OURS, CRUN, DOCKER = "bare process", "containerlab", "crun", "docker"
_KIND = {BARE: "process", OURS: "container", CRUN: "container", DOCKER: "container"}


def _kind(subject: str) -> str:
    return _KIND.get(subject, "vm")


def _tier(subject: str) -> str:
    return subject.split()[1] if subject.startswith("vm ") else ""


def machines(accelerator: str) -> dict[str, str]:
    return {tier: f"vm {tier} ({accelerator})" for tier in TIERS}


def rows(accelerator: str = "tcg", rounds: int = 12, claims: str = "") -> list[Row]:
    """Return rows of all six claims, or of some, the same on every call."""
    dice = random.Random(5)
    made = [
        row
        for name, make in _MAKERS.items()
        if name in (claims or name)
        for row in make(dice, accelerator, rounds)
    ]
    return [_noisy(row) if row.round == 3 else row for row in made]


def _noisy(row: Row) -> Row:
    return msgspec.structs.replace(
        row, is_noisy=True, value=row.value and row.value * 1.6, pressure_after_pct=71.0
    )


def _row(
    claim: str, subject: str, metric: str, number: int, value: float, instances: int = 1, kind: str = ""
) -> Row:
    accelerator = subject.partition("(")[2].rstrip(")")
    return Row(
        claim=claim,
        experiment=metric.rpartition("_")[0] or metric,
        subject=subject,
        kind=kind or _kind(subject),
        tier=_tier(subject),
        round=number,
        metric=metric,
        value=value,
        instances=instances,
        at=1.79e9 + number,
        pressure_before_pct=2.0,
        pressure_after_pct=3.0,
        facts={"accelerator": accelerator} if accelerator else {"engine": subject},
    )


def _around(dice: random.Random, value: float, spread: float) -> float:
    return value * dice.lognormvariate(0, spread)


def _times(
    claim: str, metric: str, medians: dict[str, float], dice: random.Random, rounds: int, spread: float = 0.12
) -> Iterator[Row]:
    for subject, median in medians.items():
        for number in range(rounds if median < 5 else 3):
            yield _row(claim, subject, metric, number, _around(dice, median, spread))


def _start(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    vm = machines(accelerator)
    ready = {BARE: 0.001, OURS: 0.021, CRUN: 0.028, DOCKER: 0.359}
    ready |= {vm["resume"]: 0.105, vm["microvm"]: 1.45, vm["image"]: 2.66, vm["classic"]: 16.5}
    yield from _times("start", "ready_s", ready, dice, rounds, 0.2)
    yield from _times(
        "start", "answer_s", {name: 1.15 * value for name, value in ready.items()}, dice, rounds, 0.2
    )


_SPEEDS = {
    "integer_ops_per_s": (1.9e9, 5.2),
    "float_ops_per_s": (1.36e9, 5.5),
    "sha256_bytes_per_s": (306e6, 5.2),
    "memory_copy_bytes_per_s": (14e9, 13.0),
    "syscalls_per_s": (13.6e6, 5.0),
    "switches_per_s": (520e3, 30.0),
    "file_read_bytes_per_s": (1.9e9, 6.0),
    "file_random_read_ops_per_s": (84e3, 4.0),
    "file_fsync_s": (0.0019, 0.6),
    "net_throughput_bytes_per_s": (5.5e9, 14.0),
    "net_latency_s": (21e-6, 18.0),
}


def _performance(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    vm = machines(accelerator)
    for metric, (bare, slower) in _SPEEDS.items():
        loss = slower if accelerator == "tcg" else 1 + slower / 60
        for subject in (BARE, OURS, CRUN, DOCKER, vm["microvm"], vm["image"]):
            factor = loss if subject.startswith("vm") else dice.uniform(0.99, 1.012)
            value = bare / factor if metric.endswith("_per_s") else bare * factor
            for number in range(rounds):
                yield _row("performance", subject, metric, number, _around(dice, value, 0.008))


_MIB = 1 << 20
_COSTS = {
    OURS: (0.06 * _MIB, 0.19 * _MIB, 0.02 * _MIB, 2),
    CRUN: (0.06 * _MIB, 0.19 * _MIB, 0.02 * _MIB, 1),
    DOCKER: (3.5 * _MIB, 0.24 * _MIB, 0.03 * _MIB, 2),
    "resume": (97 * _MIB, 110 * _MIB, 4 * _MIB, 2),
    "microvm": (132 * _MIB, 190 * _MIB, 0.2 * _MIB, 2),
    "image": (220 * _MIB, 230 * _MIB, 1.5 * _MIB, 2),
}


def _footprint(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    for name, costs in _COSTS.items():
        subject = machines(accelerator).get(name, name)
        base = 45 * _MIB if name == DOCKER else 30 * _MIB if subject != name else 0
        for instances in (1, 2, 5, 10, 20):
            if subject != name and instances > 5:
                continue
            for number in range(3):
                for metric, cost in zip(
                    ("pss_bytes", "cgroup_bytes", "disk_bytes", "processes"), costs, strict=True
                ):
                    value = _around(dice, cost * instances + (base if metric == "pss_bytes" else 0), 0.02)
                    value = float(cost * instances) if metric == "processes" else value
                    yield _row("footprint", subject, metric, number, value, instances)


def _recovery(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    vm = machines(accelerator)
    times = {OURS: 0.045, DOCKER: 0.595, vm["resume"]: 0.16, vm["microvm"]: 1.27, vm["image"]: 2.9}
    yield from _times("recovery", "recovered_s", times, dice, rounds, 0.15)


_VERBS = {
    "create_s": {OURS: 0.006, DOCKER: 0.11, "resume": 0.004, "microvm": 0.004, "image": 0.01},
    "ready_s": {OURS: 0.021, DOCKER: 0.36, "resume": 0.11, "microvm": 1.45, "image": 2.66},
    "pause_s": {OURS: 0.0009, DOCKER: 0.03, "resume": 0.003, "microvm": 0.003, "image": 0.003},
    "resume_s": {OURS: 0.0008, DOCKER: 0.03, "resume": 0.002, "microvm": 0.002, "image": 0.002},
    "snapshot_s": {OURS: 0.03, DOCKER: 0.2, "microvm": 1.0, "image": 1.4},
    "delete_s": {OURS: 0.008, DOCKER: 0.117, "resume": 0.03, "microvm": 0.033, "image": 0.12},
    "come_and_go_s": {OURS: 0.029, DOCKER: 0.48, "resume": 0.14, "microvm": 1.49, "image": 2.8},
}


def _lifecycle(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    for verb, times in _VERBS.items():
        named = {machines(accelerator).get(name, name): value for name, value in times.items()}
        yield from _times("lifecycle", verb, named, dice, rounds, 0.2)


_FORMATS = {
    "layers": (1.0, 0.05),
    "layers, base changed": (2.1, 0.07),
    "raw, whole": (400.0, 3.1),
    "qcow2, whole": (252.0, 2.2),
    "qcow2 compressed, whole": (115.8, 6.5),
    "raw, 4 KiB blocks": (1.9, 0.9),
    "raw, rsync": (2.4, 1.8),
    "qcow2 compressed, 4 KiB blocks": (24.0, 2.0),
}


def _delivery(dice: random.Random, accelerator: str, rounds: int) -> Iterator[Row]:
    for name, (mib, time_s) in _FORMATS.items():
        kind = "layers" if name.startswith("layers") else "disk"
        for number in range(3):
            yield _row("delivery", name, "moved_bytes", number, mib * _MIB, kind=kind)
            yield _row("delivery", name, "deliver_s", number, _around(dice, time_s, 0.1), kind=kind)


_MAKERS = {
    "start": _start,
    "performance": _performance,
    "footprint": _footprint,
    "recovery": _recovery,
    "lifecycle": _lifecycle,
    "delivery": _delivery,
}
