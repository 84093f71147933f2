"""Files of a home that are torn, empty or garbage: one sentence, the others go on, and there is a way out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.container import Container
from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, CorruptContent, LabError
from tests import containers as small
from tests.containers import IMAGE, is_gone

pytestmark = pytest.mark.root

GARBAGE = {
    "empty": b"",
    "torn": b'{"id":"4f',
    "noise": b"\xff\x00\xfe{}",
    "another type": b"[1, 2]",
}
garbage = pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)


@pytest.fixture
def victim(containers: Containers) -> Container:
    """Return a container that has ended, beside another one that runs."""
    containers.start(IMAGE, ["sleep", "1000"], name="neighbour")
    containers.run(IMAGE, ["sh", "-c", "echo out; exit 3"], name="victim")
    return containers.get("victim")


def _spoil(container: Container, file: str, content: bytes) -> None:
    Path(container.info.detail["directory"], file).write_bytes(content)


def _statuses(containers: Containers) -> dict[str, str]:
    return {info.name: info.status for info in containers.list(all=True)}


class TestRecord:
    @garbage
    def test_it_is_listed_as_damaged_beside_the_others(
        self, containers: Containers, victim: Container, content: bytes
    ) -> None:
        _spoil(victim, "record.json", content)
        assert _statuses(containers) == {"victim": "damaged", "neighbour": "running"}
        assert containers.exec("neighbour", ["echo", "here"]).stdout == "here\n"
        containers.run(IMAGE, ["true"], rm=True)

    def test_every_verb_names_the_file_and_the_way_out(
        self, engine: Engine, containers: Containers, victim: Container
    ) -> None:
        _spoil(victim, "record.json", b"")
        for verb in (
            containers.info,
            containers.resume,
            containers.remove,
            lambda name: containers.rename(name, "x"),
        ):
            with pytest.raises(
                CorruptContent, match=r"record\.json of container \w{12} is damaged"
            ) as caught:
                verb("victim")
            assert f"rm -f {victim.id[:12]}" in caught.value.hint
        assert any("record.json" in done for _, done in engine.system.check().rows)

    def test_a_missing_one_is_damage_too(self, containers: Containers, victim: Container) -> None:
        Path(victim.info.detail["directory"], "record.json").unlink()
        assert _statuses(containers)["victim"] == "damaged"

    def test_force_removes_it_with_its_name(self, containers: Containers, victim: Container) -> None:
        directory = victim.info.detail["directory"]
        _spoil(victim, "record.json", b"")
        containers.remove("victim", force=True)
        assert not os.path.exists(directory)
        containers.run(IMAGE, ["true"], name="victim", rm=True)

    def test_force_ends_one_that_runs(self, containers: Containers) -> None:
        running = containers.start(IMAGE, ["sleep", "1000"], name="victim")
        pid, cgroups = running.info.pid, running.info.detail["cgroup"].values()
        _spoil(running, "record.json", b"")
        with pytest.raises(LabError):
            containers.remove("victim")
        containers.remove("victim", force=True)
        assert is_gone(pid)
        assert [path for path in cgroups if os.path.exists(path)] == []


class TestState:
    @garbage
    def test_one_that_has_ended_is_dead_and_its_exit_code_lost(
        self, containers: Containers, victim: Container, content: bytes
    ) -> None:
        _spoil(victim, "state.json", content)
        assert _statuses(containers)["victim"] == "dead"
        assert (containers.info("victim").exit_code, containers.wait("victim")) == (137, 137)
        assert "could not be read" in containers.info("victim").error
        assert containers.logs("victim").stdout == "out\n"
        containers.resume("victim")

    def test_one_that_runs_is_told_apart_and_can_be_ended(self, containers: Containers) -> None:
        running = containers.start(IMAGE, ["sleep", "1000"], name="victim")
        pid = running.info.pid
        _spoil(running, "state.json", b"")
        assert _statuses(containers)["victim"] == "damaged"
        with pytest.raises(CorruptContent, match=r"state\.json"):
            containers.stop("victim")
        containers.remove("victim", force=True)
        assert is_gone(pid)


@garbage
def test_a_specification_is_written_anew_at_the_next_start(containers: Containers, content: bytes) -> None:
    running = containers.start(IMAGE, ["sleep", "1000"], name="victim")
    _spoil(running, "config.json", content)
    assert _statuses(containers)["victim"] == "running"
    with pytest.raises(CorruptContent, match=r"config\.json") as caught:
        containers.exec("victim", ["true"])
    assert "next start" in caught.value.hint
    containers.restart("victim", timeout=0)
    assert containers.exec("victim", ["true"]).exit_code == 0


@garbage
def test_cgroups_are_found_without_what_was_decided(containers: Containers, content: bytes) -> None:
    running = containers.start(IMAGE, ["sleep", "1000"], name="victim")
    cgroups = running.info.detail["cgroup"].values()
    _spoil(running, "decision.json", content)
    os.kill(small.monitor_of(running.info.detail["directory"]), 9)
    small.until(lambda: containers.info("victim").status == "dead")
    assert [path for path in cgroups if os.path.exists(path)] == []


@pytest.mark.parametrize("content", [None, "nobody", "0" * 64])
def test_a_name_that_leads_nowhere_is_free(
    engine: Engine, containers: Containers, content: str | None
) -> None:
    names = engine.backend.home.root / "names"
    names.mkdir(exist_ok=True)
    (names / "stray").write_text("") if content is None else (names / "stray").symlink_to(content)
    containers.list(all=True)
    assert not os.path.lexists(names / "stray")
    containers.create(IMAGE, ["true"], name="stray")


def test_half_a_rename_is_put_right(engine: Engine, containers: Containers) -> None:
    made = containers.create(IMAGE, ["true"], name="old")
    (engine.backend.home.root / "names" / "new").symlink_to(made.id)
    assert [info.name for info in containers.list(all=True)] == ["old"]
    containers.create(IMAGE, ["true"], name="new")


@garbage
def test_events_and_logs_go_on_after_what_cannot_be_read(
    engine: Engine, containers: Containers, victim: Container, content: bytes
) -> None:
    with (engine.backend.home.root / "events.log").open("ab") as file:
        file.write(content + b"\n")
    with open(victim.info.detail["log"], "ab") as file:
        file.write(content + b"\n2026-01-01T00:00:00.0Z \xff F x\n")
    containers.run(IMAGE, ["true"], name="later")
    assert {event.attributes.get("name") for event in engine.system.events()} >= {"victim", "later"}
    assert containers.logs("victim").stdout == "out\n"


class TestVolume:
    @garbage
    def test_its_files_stay_and_it_can_be_removed(self, engine: Engine, content: bytes) -> None:
        volume = engine.volumes.create("kept")
        Path(volume.path, "file").write_text("precious")
        Path(volume.path).with_name("volume.json").write_bytes(content)
        assert "kept" in [found.name for found in engine.volumes.list()]
        with pytest.raises(CorruptContent, match=r"volume\.json") as caught:
            engine.volumes.get("kept")
        assert str(volume.path) in caught.value.hint
        assert Path(volume.path, "file").read_text() == "precious"
        engine.volumes.remove("kept")
        assert not os.path.exists(volume.path)


class TestStore:
    @pytest.fixture
    def own(self, base: Path) -> Iterator[Path]:
        """Yield a home of its own with an image."""
        home = base / "damaged"
        small.import_image(home, IMAGE)
        yield home
        shutil.rmtree(home)

    def test_a_damaged_database_says_how_to_go_on(self, own: Path) -> None:
        for name in ("state.db-wal", "state.db-shm"):
            (own / name).unlink(missing_ok=True)
        (own / "state.db").write_bytes(b"no database at all" * 1000)
        with Engine(own) as engine, pytest.raises(CorruptContent, match=r"state\.db is damaged") as caught:
            engine.images.list()
        assert "index.json" in caught.value.hint
        (own / "state.db").rename(own / "state.db.damaged")
        with Engine(own) as engine:
            assert [image.info.names for image in engine.images.list()] == [(f"{IMAGE}:latest",)]
            assert engine.containers.run(IMAGE, ["true"], rm=True).exit_code == 0

    @garbage
    def test_an_index_is_written_anew_from_the_database(self, own: Path, content: bytes) -> None:
        (own / "oci" / "index.json").write_bytes(content)
        with Engine(own) as engine:
            engine.images.tag(IMAGE, "other")
        assert len(json.loads((own / "oci" / "index.json").read_bytes())["manifests"]) == 2

    def test_without_database_and_index_the_images_are_lost_and_the_home_is_not(self, own: Path) -> None:
        (own / "oci" / "index.json").write_bytes(b"")
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            (own / name).unlink(missing_ok=True)
        with Engine(own) as engine, pytest.raises(CorruptContent, match=r"index\.json is damaged") as caught:
            engine.images.list()
        assert "remove it" in caught.value.hint
        (own / "oci" / "index.json").unlink()
        with Engine(own) as engine:
            assert len(engine.images.list()) == 0
            small.add_image(engine.backend, IMAGE)
            assert engine.containers.run(IMAGE, ["true"], rm=True).exit_code == 0

    def test_what_is_half_there_is_unpacked_again(self, own: Path) -> None:
        with Engine(own) as engine:
            engine.containers.run(IMAGE, ["true"], rm=True)
            layer = next((own / "layers").iterdir())
            half = own / "tmp" / "layer-half"
            half.mkdir()
            layer.rename(half / "tree")
            assert engine.containers.run(IMAGE, ["true"], rm=True).exit_code == 0
            engine.system.check()
        assert list((own / "tmp").iterdir()) == []


def test_a_running_container_is_not_removed_because_somebody_else_is_damaged(
    containers: Containers, victim: Container
) -> None:
    _spoil(victim, "record.json", b"")
    with pytest.raises(Conflict, match="running"):
        containers.remove("neighbour")
    assert _statuses(containers)["neighbour"] == "running"
