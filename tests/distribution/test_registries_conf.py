"""registries.conf means what it means to podman."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution import registries_conf
from containerlab.distribution.registries_conf import Source
from containerlab.distribution.remote import Remote
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.artifacts import manifest_of, send_manifest

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def conf(user: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(registries_conf, "_SYSTEM", str(tmp_path / "etc"))
    folder = user / ".config/containers"
    folder.mkdir(parents=True)
    return folder / "registries.conf"


def _sources(name: str) -> list[Source]:
    return registries_conf.load().sources(Reference.parse(name))


def test_without_a_file_a_name_leads_to_its_registry(conf: Path) -> None:
    assert _sources("r.example/a:1") == [Source("r.example", "a")]


def test_mirrors_come_first_and_the_registry_last(conf: Path) -> None:
    conf.write_text("""
        [[registry]]
        location = "docker.io"
        [[registry.mirror]]
        location = "localhost:5000/hub"
        insecure = true
        [[registry.mirror]]
        location = "mirror.example"
        """)
    assert _sources("debian") == [
        Source("localhost:5000", "hub/library/debian", insecure=True, is_mirror=True),
        Source("mirror.example", "library/debian", is_mirror=True),
        Source("docker.io", "library/debian"),
    ]


def test_the_longest_prefix_counts_and_location_takes_its_place(conf: Path) -> None:
    conf.write_text("""
        [[registry]]
        prefix = "r.example/team"
        location = "other.example:8443/deep/er"
        [[registry]]
        location = "r.example"
        insecure = true
        """)
    assert _sources("r.example/team/app:1") == [Source("other.example:8443", "deep/er/app")]
    assert _sources("r.example/teams/app:1") == [Source("r.example", "teams/app", insecure=True)]


def test_a_prefix_of_subdomains(conf: Path) -> None:
    conf.write_text("""
        [[registry]]
        prefix = "*.example.com"
        location = "cache.example.net"
        [[registry]]
        prefix = "*.plain.test"
        insecure = true
        """)
    assert _sources("a.b.example.com/x/y") == [Source("cache.example.net", "x/y")]
    assert _sources("example.com/x") == [Source("example.com", "x")]
    assert _sources("a.plain.test:5000/x") == [Source("a.plain.test:5000", "x", insecure=True)]


def test_mirrors_for_digests_or_tags_alone(conf: Path) -> None:
    conf.write_text("""
        [[registry]]
        location = "r.example"
        [[registry.mirror]]
        location = "digests.example"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "tags.example"
        pull-from-mirror = "tag-only"
        [[registry]]
        location = "s.example"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.example"
        """)
    assert [source.registry for source in _sources("r.example/a:1")] == ["tags.example", "r.example"]
    assert [source.registry for source in _sources(f"r.example/a@{DIGEST}")] == [
        "digests.example",
        "r.example",
    ]
    assert [source.registry for source in _sources("s.example/a:1")] == ["s.example"]
    assert [source.registry for source in _sources(f"s.example/a@{DIGEST}")] == ["m.example", "s.example"]


def test_what_is_blocked_is_not_reached(conf: Path) -> None:
    conf.write_text('[[registry]]\nlocation = "r.example/bad"\nblocked = true\n')
    with pytest.raises(errors.NotPermitted, match=r"blocks 'r\.example/bad'"):
        _sources("r.example/bad/a")
    with pytest.raises(errors.NotPermitted):
        registries_conf.load().target(Reference.parse("r.example/bad/a"))
    assert _sources("r.example/good") == [Source("r.example", "good")]


def test_a_push_goes_to_the_registry_of_the_name(conf: Path) -> None:
    conf.write_text("""
        [[registry]]
        prefix = "r.example"
        location = "elsewhere.example"
        insecure = true
        [[registry.mirror]]
        location = "m.example"
        """)
    assert registries_conf.load().target(Reference.parse("r.example/a")) == Source(
        "r.example", "a", insecure=True
    )


def test_the_users_file_counts_instead_of_the_systems(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(path: Path, location: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[[registry]]\nprefix = "{path.name}"\nlocation = "{location}"\n')

    etc = tmp_path / "etc"
    say(etc / "registries.conf", "system")
    say(etc / "registries.conf.d/1.conf", "system")
    say(conf.parent / "registries.conf.d/1.conf", "user")
    say(conf.parent / "registries.conf.d/ignored.txt", "user")
    assert {r.matches: r.location for r in registries_conf.load().rules.values()} == {
        "registries.conf": "system",
        "1.conf": "user",
    }
    say(conf, "user")
    (conf.parent / "registries.conf.d/1.conf").unlink()
    assert [r.location for r in registries_conf.load().rules.values()] == ["user"]
    say(tmp_path / "named.conf", "named")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "named.conf"))
    assert {r.matches for r in registries_conf.load().rules.values()} == {"named.conf", "1.conf"}


def test_files_beside_replace_and_add(conf: Path) -> None:
    conf.write_text("""
        unqualified-search-registries = ["docker.io"]
        [[registry]]
        location = "r.example"
        insecure = true
        [aliases]
        a = "r.example/a"
        """)
    beside = conf.parent / "registries.conf.d"
    beside.mkdir()
    (beside / "20-last.conf").write_text(
        '[[registry]]\nlocation = "r.example"\n[aliases]\nb = "r.example/b"\n'
    )
    (beside / "10-first.conf").write_text('unqualified-search-registries = ["r.example"]\n')
    found = registries_conf.load()
    assert found.search == ("r.example",)
    assert found.aliases == {"a": "r.example/a", "b": "r.example/b"}
    assert found.rules["r.example"].insecure is False


def test_short_names_stay_docker_hubs(conf: Path) -> None:
    conf.write_text('unqualified-search-registries = ["q.example"]\n[aliases]\ndebian = "r.example/debian"\n')
    assert _sources("debian") == [Source("docker.io", "library/debian")]


def test_version_1(conf: Path) -> None:
    conf.write_text("""
        [registries.search]
        registries = ["docker.io"]
        [registries.insecure]
        registries = ["plain.example"]
        [registries.block]
        registries = ["bad.example"]
        """)
    assert _sources("plain.example/a") == [Source("plain.example", "a", insecure=True)]
    with pytest.raises(errors.NotPermitted):
        _sources("bad.example/a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[registry", "Expected ']]'"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
        ("registry = 5", "Expected `array`"),
        ("[[registry]]\ninsecure = 'yes'\nlocation='a'", "Expected `bool`"),
        ("[[registry]]\ninsecure = true", "neither prefix nor location"),
        ("[[registry]]\nprefix = 'r.example'", "has no location"),
        ("[[registry]]\nlocation = 'https://r.example'", "is not host[:port][/path]"),
        ("[[registry]]\nlocation = 'r'\n[[registry.mirror]]\nlocation = 'm/'", "'m/' is not host"),
        (
            "[[registry]]\nlocation = 'r'\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror='x'",
            "Invalid enum",
        ),
        (
            "[[registry]]\nlocation = 'r'\nmirror-by-digest-only = true\n"
            "[[registry.mirror]]\nlocation = 'm'\npull-from-mirror='tag-only'",
            "sets mirror-by-digest-only and pull-from-mirror",
        ),
        ("[[registry]]\nlocation = 'r'\n[registries.search]\nregistries=['r']", "mixes"),
        ("a = " + "[" * 10_000, "cannot read"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(conf: Path, text: str, said: str) -> None:
    conf.write_text(text)
    with pytest.raises(errors.InvalidInput) as caught:
        registries_conf.load()
    assert str(conf) in caught.value.message
    assert said in caught.value.message


def test_bytes_that_are_no_text(conf: Path) -> None:
    conf.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.InvalidInput, match=r"cannot read .*registries\.conf"):
        registries_conf.load()


def test_an_image_of_docker_hub_comes_from_a_mirror(conf: Path, tmp_path: Path) -> None:
    with registries.debian(tmp_path / "mirror") as mirror:
        with Remote(Reference.parse(f"{mirror.host}/hub/library/little:1"), for_push=True) as remote:
            sent = send_manifest(remote, manifest_of(note="mirrored"), "1")
        conf.write_text(
            f'[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "{mirror.host}/hub"\n'
        )
        with Remote(Reference.parse("little:1")) as remote:
            assert remote.manifest("1").descriptor == sent
