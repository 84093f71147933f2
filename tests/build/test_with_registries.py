"""Builds that pull their base images, push what they made, and share their steps through a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, LabError, Unavailable
from tests import registries
from tests.build.place import FROM, Place, statuses
from tests.containers import IMAGE

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.ours(base / "builds-registry", auth="none") as registry:
        yield registry


@pytest.fixture
def other(base: Path, tmp_path: Path) -> Iterator[Engine]:
    """Yield the engine of another machine, as far as its store is concerned."""
    with Engine(base / f"other-{tmp_path.name}") as engine:
        yield engine


def test_a_base_image_is_pulled_when_it_is_missing_and_anew_when_asked(
    place: Place, other: Engine, registry: registries.Registry
) -> None:
    name = f"{registry.host}/lab/base"
    place.build(FROM + "RUN echo one > /version", tag=[name], push=True)
    text = f"FROM {name}\nCOPY --from={name} /version /copied"
    context = str(place.context)
    other.builder.build(context, dockerfile=text, tag=["app"])
    first = other.images.get(name).id
    place.build(FROM + "RUN echo two > /version", tag=[name], push=True)
    other.builder.build(context, dockerfile=text, tag=["app"])
    assert other.images.get(name).id == first
    other.builder.build(context, dockerfile=text, tag=["app"], pull=True)
    assert other.images.get(name).id != first
    assert other.containers.run("app", ["cat", "/version", "/copied"], rm=True).stdout == "two\ntwo\n"


def test_a_base_image_that_is_nowhere_says_both(place: Place, registry: registries.Registry) -> None:
    with pytest.raises(LabError, match="cannot be pulled"):
        place.build(f"FROM {registry.host}/lab/no-such")
    with pytest.raises(LabError, match="lab/no-such"):
        place.build(f"FROM {registry.host}/lab/no-such", pull=True)


@pytest.mark.parametrize("output", ["type=registry", "type=image,push=true"])
def test_an_output_is_pushed_under_all_its_names(
    place: Place, registry: registries.Registry, output: str
) -> None:
    names = [f"{registry.host}/lab/pushed:{tag}" for tag in ("a", "b")]
    result = place.build(FROM + "RUN echo hi > /hi", tag=names[:1], output=[f'{output},"name={names[1]}"'])
    found = place.engine.registry.tags(f"{registry.host}/lab/pushed", long=True)
    assert {tag.name: tag.digest for tag in found} == dict.fromkeys("ab", result.record.digest)


def test_an_image_is_pushed_by_its_digest_alone(place: Place, registry: registries.Registry) -> None:
    name = f"{registry.host}/lab/digests"
    result = place.build(FROM + "RUN echo hi > /hi", output=[f"type=image,name={name},push-by-digest=true"])
    found = place.engine.registry.inspect(f"{name}@{result.record.digest}")
    assert found["Digest"] == result.record.digest
    assert len(place.engine.registry.tags(name)) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"push": True}, "without a name"),
        ({"output": ["type=registry"]}, "without a name"),
        ({"output": ["type=oci,push=true,dest=a.tar"]}, "cannot be pushed"),
        ({"output": ["type=oci,dest=a.tar"], "push": True, "tag": ["a"]}, "no image"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_anything_is_built(
    place: Place, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        place.build(FROM + "RUN touch /meet", **options)


def test_a_registry_that_cannot_be_reached_keeps_the_image_in_the_store(place: Place) -> None:
    with pytest.raises(Unavailable):
        place.build(FROM + "RUN echo hi", tag=["localhost:1/lab/app"], push=True)
    assert place.engine.images.get("localhost:1/lab/app")


def test_steps_go_by_a_registry_to_another_machine(
    place: Place, other: Engine, registry: registries.Registry
) -> None:
    cache = f"{registry.host}/lab/cache"
    text = FROM + "RUN echo one > /one\nRUN date +%N > /two"
    place.build(text, cache_to=[f"type=registry,ref={cache}:steps,mode=max"], tag=["test/app"])
    place.engine.images.save(IMAGE, output=str(place.context / "base.tar"))
    other.images.load(input=str(place.context / "base.tar"))
    (place.context / "base.tar").unlink()
    result = other.builder.build(
        str(place.context), dockerfile=text, tag=["test/app"], cache_from=[f"{cache}:steps"]
    )
    assert set(statuses(result)) == {"cached"}
    assert other.images.get("test/app").info.layers == place.engine.images.get("test/app").info.layers


def test_a_cache_that_is_not_there_yet_is_told_and_no_reason_to_fail(
    place: Place, registry: registries.Registry
) -> None:
    cache = f"{registry.host}/lab/new-cache"
    first = place.build(FROM + "RUN echo hi", cache_from=[cache], cache_to=[f"type=registry,ref={cache}"])
    assert any("no steps are taken" in notice for notice in first.notices)
    assert not place.build(FROM + "RUN echo hi", cache_from=[cache]).notices


def test_an_image_is_no_cache(place: Place, registry: registries.Registry) -> None:
    name = f"{registry.host}/lab/image"
    place.build(FROM + "RUN echo hi", tag=[name], push=True)
    with pytest.raises(LabError, match="no build cache"):
        place.build(FROM + "RUN echo hi", cache_from=[name])


def test_a_cache_that_cannot_be_written_fails_unless_that_is_allowed(place: Place) -> None:
    target = "type=registry,ref=localhost:1/lab/cache"
    with pytest.raises(Unavailable):
        place.build(FROM + "RUN echo hi", cache_to=[target])
    place.build(FROM + "RUN echo hi", cache_to=[f"{target},ignore-error=true"])
