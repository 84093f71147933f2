"""Every experiment done for real, with a process of the host and with our container."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.errors import LabError, NotFound
from containerlab.experiments.claims.instances import Kept
from containerlab.experiments.claims.six import CLAIMS
from containerlab.experiments.experiment import Contestant, Experiment, Stage
from containerlab.experiments.probe import probe
from containerlab.experiments.row import Row
from containerlab.experiments.shares import Shares
from containerlab.experiments.subjects.bare import Bare
from containerlab.experiments.subjects.own import Own
from tests import containers as small
from tests.containers import is_gone, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

_EXPERIMENTS = [
    pytest.param(claim.name, experiment, id=experiment.name)
    for claim in CLAIMS.values()
    for experiment in claim.experiments
    if claim.name != "delivery"  # see test_delivery.py
]
_METRICS = {
    "ready": {"ready_s", "request_s"},
    "listening": {"answer_s"},
    "processor": {"integer_ops_per_s", "float_ops_per_s", "sha256_bytes_per_s", "memory_copy_bytes_per_s"},
    "kernel": {"syscalls_per_s", "switches_per_s", "pagefaults_per_s", "forks_per_s"},
    "files": {
        "file_write_bytes_per_s",
        "file_read_bytes_per_s",
        "file_random_read_ops_per_s",
        "file_random_write_ops_per_s",
        "file_fsync_s",
    },
    "network": {
        "loopback_latency_s",
        "loopback_throughput_bytes_per_s",
        "port_latency_s",
        "port_throughput_bytes_per_s",
    },
    "idle": {"pss_bytes", "cgroup_bytes", "processes", "disk_bytes"},
    "killed": {"recovered_s"},
    "life": {"create_s", "ready_s", "delete_s", "come_and_go_s"},
    "halts": {"pause_s", "resume_s", "snapshot_s", "snapshot_bytes"},
}


@pytest.fixture(scope="module")
def stage(base: Path) -> Iterator[Stage]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    scratch = base / "claims-scratch"
    scratch.mkdir()
    shares = Shares()
    with small.engine(base / "claims-home") as engine:
        image = probe.image(engine, small.IMAGE)
        bare = Bare(shares, scratch)
        try:
            yield Stage(engine, image, (bare, Own(engine, image, shares)), scratch, True)
        finally:
            bare.close()
            shares.close()


def _rows(claim: str, experiment: Experiment, stage: Stage, rounds: int = 1) -> list[Row]:
    contestants = experiment.contestants(stage)
    try:
        return [
            row
            for number in range(rounds)
            for contestant in contestants
            for row in _of_round(claim, experiment.name, contestant, number)
        ]
    finally:
        for contestant in contestants:
            contestant.end()


def _of_round(claim: str, experiment: str, contestant: Contestant, number: int) -> Iterator[Row]:
    for metric, value, instances, note in contestant.act():
        yield Row(
            claim=claim,
            experiment=experiment,
            subject=contestant.subject,
            kind=contestant.kind,
            tier=contestant.tier,
            round=number,
            metric=metric,
            value=value,
            instances=instances,
            note=note,
            facts=dict(contestant.facts),
        )


@pytest.mark.parametrize(("claim", "experiment"), _EXPERIMENTS)
def test_an_experiment_measures_what_it_says_and_is_judged(
    claim: str, experiment: Experiment, stage: Stage
) -> None:
    rows = _rows(claim, experiment, stage)
    of_container = [row for row in rows if row.kind == "container"]
    assert {row.metric for row in of_container} == _METRICS[experiment.name]
    assert all(row.value is not None for row in of_container)
    assert all(row.value is not None or row.note for row in rows)
    whole, *of_tiers = CLAIMS[claim].judge(rows)
    assert whole.sentence
    assert not of_tiers
    assert not stage.engine.containers.list(all=True)


def test_an_instance_stays_between_rounds_and_goes_at_the_end(stage: Stage) -> None:
    kept = Kept(stage.subjects[1], ["idle"])
    with kept.used() as instance:
        first = instance.workload_pid()
    with kept.used() as instance:
        assert instance.workload_pid() == first
    kept.end()
    assert is_gone(first)


def test_an_instance_that_failed_makes_place_for_another(stage: Stage) -> None:
    kept = Kept(stage.subjects[1], ["idle"])
    with kept.used() as instance:
        first = instance.workload_pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first))
    with pytest.raises(LabError), kept.used() as instance:
        instance.execute(["/conlab-probe", "integer", "1"], 60)
    with kept.used() as instance:
        assert "integer" in instance.execute(["/conlab-probe", "integer", "1"], 60)
    kept.end()


def test_a_subject_that_cannot_begin_leaves_nothing_and_says_why(stage: Stage) -> None:
    shares = Shares()
    with_nothing = stage._replace(subjects=(Own(stage.engine, "there/is-none", shares),))
    for experiment in (experiment for claim in CLAIMS.values() for experiment in claim.experiments):
        for contestant in () if experiment.name == "update" else experiment.contestants(with_nothing):
            with pytest.raises(NotFound):
                list(contestant.act())
            contestant.end()
    shares.close()


def test_the_six_claims_are_in_their_order() -> None:
    assert list(CLAIMS) == ["start", "performance", "footprint", "recovery", "lifecycle", "delivery"]
    assert all(claim.name == name and claim.sentence.endswith(".") for name, claim in CLAIMS.items())
