"""Option tables: every value is read once, errors name the option."""

from __future__ import annotations

from typing import Any

import pytest

from containerlab.errors import InvalidInput
from containerlab.options.container import CreateOptions, ExecOptions, RunOptions, UpdateOptions
from containerlab.options.flag import flags, normalise

GIVEN: dict[str, Any] = {
    "memory": "64m",
    "memory_swap": -1,
    "cpus": "0.5",
    "env": {"A": 1, "B": "x=y"},
    "label": ["tier=web", "lonely"],
    "volume": {"/srv": "/data:ro"},
    "tmpfs": "/run:size=1m,mode=1777,noexec",
    "mount": "type=bind,src=/srv,dst=/mnt,ro",
    "ulimit": ["nofile=64:128", "core=-1"],
    "device": "/dev/null:/dev/x:r",
    "stop_signal": "TERM",
    "stop_timeout": "1m",
    "restart": "on-failure:3",
    "add_host": {"db": "10.0.0.7"},
    "sysctl": {"net.core.somaxconn": 10},
    "entrypoint": "sh",
    "rm": "true",
}


def test_reading_twice_changes_nothing() -> None:
    once = normalise(RunOptions, GIVEN)
    assert normalise(RunOptions, once) == once


def test_values_have_the_promised_form() -> None:
    values = normalise(RunOptions, GIVEN)
    assert values["memory"] == 64 << 20
    assert values["cpus"] == 0.5
    assert values["env"] == ("A=1", "B=x=y")
    assert values["label"] == {"tier": "web", "lonely": ""}
    assert values["ulimit"] == (("nofile", 64, 128), ("core", -1, -1))
    assert values["stop_signal"] == 15
    assert values["entrypoint"] == ("sh",)
    assert values["rm"] is True


def test_variable_without_value_is_taken_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONLAB_TEST_HERE", "yes")
    monkeypatch.delenv("CONLAB_TEST_ABSENT", raising=False)
    given = ["CONLAB_TEST_HERE", "CONLAB_TEST_ABSENT"]
    assert normalise(RunOptions, {"env": given})["env"] == ("CONLAB_TEST_HERE=yes",)


def test_none_is_not_given() -> None:
    assert normalise(RunOptions, {"memory": None}) == {}


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"memry.*did you mean memory"):
        normalise(RunOptions, {"memry": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", "lots"),
        ("cpus", -1),
        ("pids_limit", "x"),
        ("memory_swappiness", 101),
        ("volume", "/a:relative"),
        ("volume", "/a:/"),
        ("volume", "a:b:c:d"),
        ("volume", "/a:/b:rx"),
        ("mount", "type=bind,dst=/x"),
        ("mount", "sorce=/x,dst=/x"),
        ("tmpfs", "run"),
        ("ulimit", "nofile=9:1"),
        ("ulimit", "files=1"),
        ("device", "null"),
        ("add_host", "db"),
        ("restart", "sometimes"),
        ("env", "=x"),
        ("name", "-x"),
        ("stop_signal", "NOPE"),
        ("cpuset_cpus", "0;1"),
        ("rm", "maybe"),
        ("memory", object()),
        ("user", "a\0b"),
    ],
)
def test_wrong_value_names_the_option(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"--{name.replace('_', '-')}"):
        normalise(RunOptions, {name: value})


def test_every_docker_option_of_a_container_is_there() -> None:
    wanted = """add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent
        cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus
        cpuset-mems detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps
        device-write-iops dns dns-option dns-search domainname entrypoint env env-file expose gpus group-add
        health-cmd health-interval health-retries health-start-interval health-start-period health-timeout
        hostname init interactive ip ip6 ipc label label-file link link-local-ip log-driver log-opt
        mac-address memory memory-reservation memory-swap memory-swappiness mount name network network-alias
        no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all
        pull quiet read-only restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout
        storage-opt sysctl tmpfs tty ulimit user userns uts volume volume-driver volumes-from workdir"""
    assert {name.replace("-", "_") for name in wanted.split()} - flags(CreateOptions).keys() == set()


@pytest.mark.parametrize("table", [RunOptions, ExecOptions, UpdateOptions])
def test_no_word_means_two_options(table: type) -> None:
    words = [word for flag in flags(table).values() for word in flag.words.split()]
    assert len(words) == len(set(words))
