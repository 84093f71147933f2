"""What is built anew and what is not; what the cache keeps, carries, and survives."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab.engine.build_result import BuildResult
from containerlab.errors import LabError
from tests.build.place import FROM, Place, statuses
from tests.containers import IMAGE
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]

SECRET = "sesame-0pen-sesame"


def missed(result: BuildResult) -> list[str]:
    return [step.missed for step in result.record.steps if step.status == "done" and step.missed]


@pytest.fixture
def files(place: Place) -> Path:
    """Return a context with a file, a folder, a link."""
    (place.context / "file").write_text("content")
    (place.context / "folder").mkdir()
    (place.context / "folder" / "other").write_text("other")
    (place.context / "link").symlink_to("file")
    return place.context


def _relink(files: Path) -> None:
    (files / "link").unlink()
    (files / "link").symlink_to("folder")


def _same_size_and_time(files: Path) -> None:
    before = (files / "file").stat()
    with (files / "file").open("r+") as file:
        file.write("CONTENT")
    os.utime(files / "file", ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "time": (lambda files: os.utime(files / "file", (1, 1)), False),
    "owner": (lambda files: os.chown(files / "file", 5, 5), False),
    "mode": (lambda files: (files / "file").chmod(0o700), True),
    "link": (_relink, True),
    "name": (lambda files: (files / "file").rename(files / "file2"), True),
    "content": (_same_size_and_time, True),
    "empty folder": (lambda files: (files / "empty").mkdir(), True),
    "less": (lambda files: (files / "folder" / "other").unlink(), True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_done_again_when_its_files_changed(place: Place, files: Path, change: str) -> None:
    perform, counts = CHANGES[change]
    place.build(f"{FROM}COPY . /files/")
    perform(files)
    result = place.build(f"{FROM}COPY . /files/")
    assert statuses(result) == ["cached", "done" if counts else "cached"]
    assert missed(result) == (["the content, mode or owner of its files changed"] if counts else [])


def test_a_build_argument_counts_from_where_it_is_declared(place: Place) -> None:
    text = f"{FROM}RUN echo before\nARG V=1\nRUN echo after\nRUN echo last"
    place.build(text)
    assert set(statuses(place.build(text, build_arg=["V=1"]))) == {"cached"}
    result = place.build(text, build_arg=["V=2"])
    assert statuses(result) == ["cached", "cached", "done", "done"]
    told = "variables or build arguments changed"
    assert missed(result) == [told, told]


def test_options_of_the_build_that_a_run_sees_count(place: Place) -> None:
    text = f"{FROM}RUN true"
    place.build(text)
    for options in ({"network": "none"}, {"add_host": ["a:10.0.0.1"]}, {"shm_size": "1m"}):
        assert statuses(place.build(text, **options)) == ["cached", "done"], options
        assert statuses(place.build(text, **options)) == ["cached", "cached"], options
    assert statuses(place.build(text, label=["a=b"], tag="test/labelled")) == ["cached", "cached"]


def test_no_cache_does_all_again_and_keeps_cache_mounts(place: Place) -> None:
    text = f"{FROM}RUN --mount=type=cache,target=/cache echo >> /cache/lines; wc -l < /cache/lines"
    place.build(text)
    result = place.build(text, no_cache=True)
    assert statuses(result) == ["cached", "done"]
    assert missed(result) == ["the cache was not asked for it (--no-cache)"]
    assert result.record.steps[1].log == "2"


def test_no_cache_filter_does_the_named_stages_again(place: Place) -> None:
    text = (
        f"FROM {IMAGE} AS one\nRUN date +%N > /one\n"
        f"FROM {IMAGE} AS two\nRUN date +%N > /two\nCOPY --from=one /etc /e\n"
    )
    place.build(text)
    result = place.build(text, no_cache_filter=["one"])
    again = {
        step.step.name for step in result.record.steps if step.status == "done" and step.step.kind == "run"
    }
    assert again == {"[one 2/2] RUN date +%N > /one"}
    assert statuses(place.build(text, no_cache_filter=["neither"])) == ["cached"] * 5


def test_only_what_is_new_is_told(place: Place) -> None:
    """Not what another kind of instruction has too, nor how another project differs."""
    place.build(f"{FROM}RUN true", tag="test/a")
    assert missed(place.build(f"{FROM}COPY . /x/")) == ["the instruction is another one"]
    elsewhere = place.context / "elsewhere"
    elsewhere.mkdir()
    result = place.engine.builder.build(str(elsewhere), dockerfile=f"{FROM}RUN echo elsewhere")
    assert missed(result) == ["it was never built here"]


def test_a_secret_argument_counts_and_is_kept_nowhere(place: Place) -> None:
    uses = 'RUN --mount=type=cache,target=/c test -n "$API_TOKEN"\nRUN --mount=type=secret,id=key true'
    text = f"{FROM}ARG API_TOKEN\n{uses}"
    os.environ["CACHE_TEST_KEY"] = SECRET
    options = {"secret": ["id=key,env=CACHE_TEST_KEY"], "tag": "test/secret"}
    place.build(text, build_arg=[f"API_TOKEN={SECRET}"], **options)
    assert statuses(place.build(text, build_arg=[f"API_TOKEN={SECRET}"], **options)) == ["cached"] * 3
    assert statuses(place.build(text, build_arg=["API_TOKEN=another"], **options))[1] == "done"
    with pytest.raises(LabError):
        place.build(f"{text}\nRUN echo $API_TOKEN; false", build_arg=[f"API_TOKEN={SECRET}"], **options)
    assert list(traces(place.home, SECRET.encode())) == []


def traces(home: Path, secret: bytes) -> Iterator[str]:
    """Yield the files of a home that have a secret in them, in one of the ways to write it."""
    ways = {secret, secret.hex().encode(), *(base64.b64encode(b"x" * i + secret)[4:-4] for i in range(3))}
    for directory, _, names in os.walk(home):
        for name in names:
            path = Path(directory, name)
            if path.is_file() and any(way in path.read_bytes() for way in ways):
                yield str(path)


def test_a_carried_cache_is_all_that_another_home_needs(
    place: Place, files: Path, anyone: User, base: Path
) -> None:
    text = (
        f"FROM {IMAGE} AS one\nRUN echo one > /one; chown 7:8 /one\n"
        f"{FROM}WORKDIR /x\nCOPY . .\nCOPY --from=one /one /\nRUN --mount=from=one,target=/m cat /m/one\n"
    )
    carried = base / f"carried-{anyone.kind}"
    archive = base / f"carried-{anyone.kind}.tar"
    first = place.build(text, cache_to=[f"type=local,dest={carried},mode=max"], tag="test/carried")
    place.engine.images.save(IMAGE, output=str(archive))
    archive.chmod(0o644)
    shutil.copytree(files, carried / "context", symlinks=True)
    script = """
import sys
from containerlab.engine.engine import Engine
with Engine(sys.argv[1]) as engine:
    engine.images.load(input=sys.argv[2])
    options = {"dockerfile": sys.argv[4], "cache_from": [sys.argv[5]], "tag": "test/carried"}
    built = engine.builder.build(sys.argv[3], **options)
    steps = [step for step in built.record.steps if step.step.kind != "export"]
    print([(step.step.name, step.missed) for step in steps if step.status != "cached"])
    print(*engine.backend.store.get("test/carried").diff_ids)
"""
    words = [f"{anyone.home}/carried", archive, carried / "context", text, f"type=local,src={carried}"]
    told = anyone.script(script, *map(str, words))
    assert told.stdout.split() == ["[]", *place.engine.backend.store.get("test/carried").diff_ids], (
        told.stdout
    )
    assert set(statuses(first)) == {"cached", "done"}


def _blob_of_last_step(place: Place) -> Path:
    layer = place.engine.backend.store.get("test/last").layers[-1]
    return place.engine.backend.store.blobs.path(layer.digest)


def _damage_rows(place: Place) -> None:
    with place.engine.backend.store.database.writing() as connection:
        connection.execute("DELETE FROM build_steps")


def _damage_directory(place: Place) -> None:
    image = place.engine.backend.store.get("test/last")
    for diff_id in image.diff_ids:
        shutil.rmtree(place.engine.backend.layers.path(diff_id), ignore_errors=True)


def _truncate(place: Place) -> None:
    blob = _blob_of_last_step(place)
    os.truncate(blob, blob.stat().st_size // 2)


def _flip(place: Place) -> None:
    _damage_directory(place)
    blob = _blob_of_last_step(place)
    raw = bytearray(blob.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    blob.chmod(0o600)
    blob.write_bytes(bytes(raw))


DAMAGES = {
    "rows": _damage_rows,
    "directories": _damage_directory,
    "truncated blob": _truncate,
    "no blob": lambda place: _blob_of_last_step(place).unlink(),
    "flipped bit": _flip,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_leads_to_a_rebuild_or_a_clear_error(place: Place, damage: str) -> None:
    text = f"{FROM}RUN echo one > /one\nRUN echo two > /two"
    place.build(text, tag="test/last")
    DAMAGES[damage](place)
    again = f"{text}\nRUN cat /one /two"
    if damage == "flipped bit":
        with pytest.raises(LabError, match="damaged"):
            place.build(again)
        place.engine.builder.prune(all=True)
        place.engine.images.remove("test/last")
    place.build(again, tag="test/next")
    shown = place.engine.containers.run("test/next", ["cat", "/one", "/two"], rm=True)
    assert shown.stdout == "one\ntwo\n"
