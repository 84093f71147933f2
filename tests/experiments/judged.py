"""Verdicts made by hand, beside the rows of `made_up`: for tests alone."""

from __future__ import annotations

from containerlab.experiments.comparison import Comparison
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.host import Host
from tests.experiments.made_up import rows

HOST = Host(
    processor="Made-up CPU, 2 processors",
    memory="16 GiB",
    kernel="Linux 6.18.0 x86_64",
    distribution="Made-up 1",
    cgroup="v2",
    accelerator="tcg",
    programs={"qemu-system-x86_64": "7.2.0", "crun": "1.8"},
    date="2026-11-26 12:00 UTC",
)


def _figure(subject: str, metric: str, median: float) -> Figure:
    return Figure(subject, metric, median, median * 0.9, median * 1.1, 11)


_OURS = _figure("containerlab", "ready_s", 0.019)
_MICRO, _CLASSIC = _figure("vm microvm (tcg)", "ready_s", 1.39), _figure("vm classic (tcg)", "ready_s", 17.2)
_LAYERS, _DISK = (
    _figure("layers, registry", "moved_bytes", 1 << 20),
    _figure("qcow2", "moved_bytes", 252 << 20),
)
_PSS = _figure("containerlab", "pss_bytes", 62_000), _figure("vm microvm (tcg)", "pss_bytes", 131 << 20)
VERDICTS = (
    Verdict(
        "start",
        "",
        "held in part",
        (_OURS, _MICRO, _CLASSIC),
        None,
        "containers: 19 ms; machines: 1.4 s, 17.2 s",
    ),
    Verdict(
        "start", "microvm", "not held here", (_OURS, _MICRO), None, "a microVM boots in 1.4 s, even emulated"
    ),
    Verdict("start", "classic", "held in part", (_OURS, _CLASSIC), None, "tens of seconds", "A paper, 2020"),
    Verdict(
        "performance",
        "",
        "held in part",
        (_figure("containerlab", "integer_ops_per_s", 1.9e9),),
        None,
        "keeps 99.8 %",
    ),
    Verdict(
        "performance",
        "microvm",
        "not measured",
        (_figure("vm microvm (tcg)", "integer_ops_per_s", 2.1e9),),
        None,
        "vm microvm (tcg): emulated, not comparable. Elsewhere: half",
        "Another paper, 2015",
    ),
    Verdict("footprint", "", "held", _PSS, 2216.0, "62 KiB against 131 MiB"),
    Verdict("recovery", "", "not measured", (), None, "containers: did not take part"),
    Verdict("delivery", "", "held", (_LAYERS, _DISK), 252.0, "one layer of 1 MiB against a disk of 252 MiB"),
)


def comparison(accelerator: str = "tcg") -> Comparison:
    return Comparison(HOST, rows(accelerator), VERDICTS)
