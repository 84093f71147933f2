"""Builds beside other builds and prunes, killed or stopped: nothing half-made, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from containerlab.build.building import BuildFailed
from containerlab.build.language.located import DockerfileError
from containerlab.store.snapshots import MOST_LAYERS
from tests import containers
from tests.build.place import FROM, MEET, Place, building, statuses, waits
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]


def test_everything_is_pruned_in_the_middle_of_a_build(place: Place) -> None:
    text = (
        f"FROM {IMAGE} AS one\nRUN echo one > /one\n"
        f"{FROM}RUN {MEET} {waits('here')}\nCOPY --from=one /one /\nRUN --mount=from=one,target=/m cat /m/one"
    )
    with building(place, text, tag="test/pruned") as results:
        until(lambda: place.has_come("here"))
        place.engine.images.remove(IMAGE)
        place.engine.builder.prune(all=True)
        place.engine.system.prune(all=True, volumes=True)
        place.engine.system.check()
        place.let_go()
    assert set(statuses(results[0])) == {"cached", "done"}
    assert place.engine.containers.run("test/pruned", ["cat", "/one"], rm=True).stdout == "one\n"
    until(lambda: not place.left())


def test_a_cache_mount_in_use_is_not_pruned(place: Place) -> None:
    with building(place, f"{FROM}RUN {MEET} {waits('here')}; ls /meet/here") as results:
        until(lambda: place.has_come("here"))
        assert "meet" not in place.engine.builder.prune(all=True).removed
        place.let_go()
    assert statuses(results[0])[-1] == "done"
    assert "meet" in place.engine.builder.prune(all=True).removed
    assert not list((place.home / "locks").glob("mount-*"))


def test_too_many_layers_are_refused_before_anything_is_done(place: Place) -> None:
    steps = "".join(f"RUN {number}\n" for number in range(MOST_LAYERS + 1))
    with pytest.raises(DockerfileError, match=rf"RUN stands on {MOST_LAYERS + 1} layers") as raised:
        place.build(FROM + steps)
    assert f"> {MOST_LAYERS + 2} | RUN {MOST_LAYERS}" in str(raised.value)
    assert len(place.engine.builder.usage()) == 0


def test_two_builds_at_once_do_each_step_once(place: Place) -> None:
    text = (
        f"FROM {IMAGE} AS one\nRUN {MEET} echo one >> /meet/count; {waits('here')}; echo one > /one\n"
        f"{FROM}RUN {MEET} echo two >> /meet/count; {waits('here')}\nCOPY --from=one /one /\n"
    )
    (place.context / "Dockerfile").write_text(text)
    with building(place, text) as first, building(place, text) as second:
        processes = [conlab(place, "build", str(place.context)) for _ in range(2)]
        until(lambda: place.has_come("here"))
        place.let_go()
        assert [(process.communicate()[1], process.returncode)[1] for process in processes] == [0, 0]
    assert sorted(place.met("count").split()) == ["one", "two"]
    assert {*statuses(first[0]), *statuses(second[0])} <= {"cached", "done"}
    until(lambda: not place.left())


def test_a_failing_step_stops_the_others_and_tells_its_output(place: Place) -> None:
    text = (
        f"FROM {IMAGE} AS slow\nRUN {MEET} {waits('here')}\n"
        f"FROM {IMAGE} AS bad\nRUN {MEET} until [ -e /meet/here ]; do sleep 0.02; done; echo so; exit 3\n"
        f"{FROM}COPY --from=slow / /\nCOPY --from=bad / /\n"
    )
    with pytest.raises(BuildFailed) as raised:
        place.build(text)
    assert "[bad 2/2]" in raised.value.message
    assert "ended with exit code 3\nso" in raised.value.message
    found = {step.step.stage: step.status for step in raised.value.record.steps}
    assert (found["slow"], found["bad"]) == ("canceled", "failed")
    assert place.left() == []


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_locked_cache_mount_is_had_by_one_after_the_other(place: Place, jobs: int) -> None:
    mount = "--mount=type=cache,target=/cache,sharing=locked"
    stages = "".join(
        f"FROM {IMAGE} AS s{i}\nRUN {mount} mkdir /cache/mine && sleep 0.1 && rmdir /cache/mine\n"
        for i in range(4)
    )
    copies = "".join(f"COPY --from=s{i} /etc /s{i}\n" for i in range(4))
    assert set(statuses(place.build(f"{stages}{FROM}{copies}", jobs=jobs))) == {"cached", "done"}


def test_jobs_bound_how_many_steps_run_at_once(place: Place) -> None:
    mount = "--mount=type=cache,target=/cache"
    stages = "".join(
        f"FROM {IMAGE} AS s{i}\nRUN {mount} mkdir /cache/mine && sleep 0.1 && rmdir /cache/mine\n"
        for i in range(3)
    )
    copies = "".join(f"COPY --from=s{i} /etc /s{i}\n" for i in range(3))
    assert set(statuses(place.build(f"{stages}{FROM}{copies}", jobs=1))) == {"cached", "done"}


def test_private_cache_mounts_are_not_the_same_folder(place: Place) -> None:
    private = "--mount=type=cache,target=/cache,sharing=private"
    stages = "".join(
        f"FROM {IMAGE} AS s{i}\n"
        f"RUN {MEET} {private} touch /cache/{i}; {waits(str(i))}; [ $(ls /cache | wc -l) = 1 ]\n"
        for i in range(2)
    )
    with building(place, f"{stages}{FROM}COPY --from=s0 /etc /0\nCOPY --from=s1 /etc /1\n") as results:
        until(lambda: place.has_come("0") and place.has_come("1"))
        place.let_go()
    assert set(statuses(results[0])) == {"cached", "done"}


def test_a_shared_mount_is_not_what_another_has_for_itself(place: Place) -> None:
    ways = ("shared", "private")
    stages = "".join(
        f"FROM {IMAGE} AS {way}\nRUN {MEET} --mount=type=cache,target=/cache,sharing={way} "
        f"touch /cache/{way}; {waits(way)}; [ $(ls /cache | wc -l) = 1 ]\n"
        for way in ways
    )
    with building(
        place, f"{stages}{FROM}COPY --from=shared /etc /0\nCOPY --from=private /etc /1\n"
    ) as results:
        until(lambda: all(map(place.has_come, ways)))
        place.let_go()
    assert set(statuses(results[0])) == {"cached", "done"}


def test_a_shared_mount_does_not_wait_for_a_private_one(place: Place) -> None:
    mount = "--mount=type=cache,target=/cache"
    with building(place, f"{FROM}RUN {MEET} {mount},sharing=private {waits('here')}") as results:
        until(lambda: place.has_come("here"))
        assert statuses(place.build(f"{FROM}RUN {mount} touch /cache/shared")) == ["cached", "done"]
        place.let_go()
    assert statuses(results[0]) == ["cached", "done"]


def test_a_run_may_mount_a_locked_folder_twice(place: Place) -> None:
    mounts = " ".join(f"--mount=type=cache,id=c,target=/{name},sharing=locked" for name in "ab")
    assert statuses(place.build(f"{FROM}RUN {mounts} touch /a/x; ls /b/x")) == ["cached", "done"]


def test_a_build_that_waits_for_a_locked_folder_can_be_stopped(place: Place) -> None:
    """One that another build has for long: a failure elsewhere ends the waiting."""
    locked = "--mount=type=cache,target=/cache,sharing=locked"
    waiting = (
        f"FROM {IMAGE} AS waiting\nRUN {locked} true\n"
        f"FROM {IMAGE} AS bad\nRUN sleep 0.5; exit 3\n"
        f"{FROM}COPY --from=waiting / /\nCOPY --from=bad / /\n"
    )
    with building(place, f"{FROM}RUN {MEET} {locked} {waits('here')}") as results:
        until(lambda: place.has_come("here"))
        with pytest.raises(BuildFailed, match=r"\[bad 2/2\]"):
            place.build(waiting)
        place.let_go()
    assert statuses(results[0]) == ["cached", "done"]


def conlab(place: Place, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "containerlab", "--home", str(place.home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_build(place: Place) -> Iterator[subprocess.Popen[str]]:
    """Give a process that builds, and has come to its second RUN."""
    text = f"{FROM}RUN echo first > /first\nRUN {MEET} {waits('here')}"
    (place.context / "Dockerfile").write_text(text)
    with conlab(place, "build", str(place.context)) as process:
        try:
            until(lambda: place.has_come("here"))
            yield process
        finally:
            process.kill()


def program(place: Place) -> int:
    """Return the pid of the only RUN in this home; it may run for a moment before its monitor notes it."""
    (folder,) = (place.home / "containers").iterdir()
    return until(lambda: _noted(folder / "state.json"))


def _noted(state: Path) -> int:
    with suppress(FileNotFoundError):
        return int(json.loads(state.read_text()).get("pid", 0))
    return 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_build_that_is_asked_to_end_ends_in_order(place: Place, number: int, code: int) -> None:
    with running_build(place) as process:
        pid = program(place)
        process.send_signal(number)
        _, told = process.communicate()
    assert process.returncode == code
    assert told.splitlines()[-2:] == [
        "conlab: the build was stopped",
        "  hint: the steps that were done are cached: build again to go on",
    ]
    assert containers.is_gone(pid)
    assert place.left() == []
    assert "Traceback" not in told


def test_a_build_that_is_killed_takes_its_programs_along_and_leaves_what_was_done(place: Place) -> None:
    with running_build(place) as process:
        pid = program(place)
        process.kill()
        until(lambda: containers.is_gone(pid))
    again = place.build(f"{FROM}RUN echo first > /first\nRUN true")
    assert statuses(again) == ["cached", "cached", "done"]
    place.engine.containers.list(all=True)
    assert place.left() == []


@pytest.mark.parametrize("victim", ["monitor", "launcher", "fork server"])
def test_a_build_fails_in_a_sentence_when_its_helpers_are_killed(place: Place, victim: str) -> None:
    text = f"{FROM}RUN echo first > /first\nRUN {MEET} {waits('here')}; echo > /second\nCOPY . /context/"
    (place.context / "file").write_text("content")
    with building(place, text) as results:
        until(lambda: place.has_come("here"))
        for pid in helpers(place, victim):
            os.kill(pid, signal.SIGKILL)
        if victim != "monitor":
            place.let_go()
    if victim == "monitor":
        assert "[3/4]" in str(results[0])
        place.let_go()
    assert statuses(place.build(text)).count("cached") >= 2
    assert place.left() == []


def helpers(place: Place, kind: str) -> list[int]:
    if kind == "monitor":
        (folder,) = (place.home / "containers").iterdir()
        monitor = containers.monitor_of(str(folder))
        # One that dies before it has said that the program runs is replaced, and the program runs again.
        until(lambda: "poll" in Path(f"/proc/{monitor}/wchan").read_text())
        return [monitor]
    word = {"launcher": "runtime.launcher", "fork server": "store.fork_server"}[kind]
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text()
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            if word in words and int(parent) == os.getpid():
                found.append(pid)
    return found


def test_a_secret_in_a_layer_takes_no_layer_from_an_image_that_has_it(place: Place) -> None:
    text = f"{FROM}RUN --mount=type=secret,id=token cp /run/secrets/token /leaked"
    secret = ["id=token,env=RESILIENCE_TOKEN"]
    os.environ["RESILIENCE_TOKEN"] = "open-sesame-open"
    place.build(text, tag="test/leaking", secret=secret, allow_secret_in_layer=True, build_arg=["A=1"])
    with pytest.raises(BuildFailed, match=r"token in /?leaked"):
        place.build(text, secret=secret, no_cache=True)
    assert (
        place.engine.containers.run("test/leaking", ["cat", "/leaked"], rm=True).stdout == "open-sesame-open"
    )
    image = place.engine.backend.store.get("test/leaking")
    assert all(place.engine.backend.store.blobs.has(layer.digest) for layer in image.layers)
