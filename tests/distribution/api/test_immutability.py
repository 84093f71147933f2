"""Rules of immutability over the API: who sets, sees and removes them, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.server.problems import Denied
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import Level
from containerlab.distribution.server.rules import immutability
from tests.distribution.api.serving import IDENTITIES, as_user, served

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(Settings(storage=str(tmp_path)))
    yield registry
    registry.close()


@pytest.fixture
def port(registry: Registry) -> Iterator[int]:
    with served(registry) as port:
        yield port


@pytest.fixture
def ann(port: int) -> RegistryApi:
    return as_user(port, "ann")


def _refuses(registry: Registry, repository: str, tag: str, old: str = OLD, new: str = NEW) -> bool:
    try:
        with registry.database.writing() as connection:
            immutability.check(connection, repository, tag, old, new)
    except Denied:
        return True
    return False


def test_a_rule_keeps_tags_from_being_moved_and_deleted(registry: Registry, ann: RegistryApi) -> None:
    assert not _refuses(registry, "lab/base", "v1")
    rule = ann.immutability.set("lab/", tags=("v*",), exceptions=("v0*",))
    assert _refuses(registry, "lab/base", "v1")
    assert _refuses(registry, "lab/base", "v1", new="")
    assert not _refuses(registry, "lab/base", "v1", old="")  # a new tag
    assert not _refuses(registry, "lab/base", "v1", new=OLD)  # the same once more
    assert not _refuses(registry, "lab/base", "v0.1")
    assert not _refuses(registry, "lab/base", "latest")
    assert not _refuses(registry, "laboratory/base", "v1")
    ann.immutability.remove(rule.id)
    assert not _refuses(registry, "lab/base", "v1")


def test_latest_is_no_exception_unless_it_is_one(registry: Registry, ann: RegistryApi) -> None:
    ann.immutability.set("lab/base")
    assert _refuses(registry, "lab/base", "latest")
    ann.immutability.set("lab/other", exceptions=("latest",))
    assert not _refuses(registry, "lab/other", "latest")
    assert _refuses(registry, "lab/other", "latest2")


def test_who_pulls_sees_the_rules_and_cannot_change_them(port: int, ann: RegistryApi) -> None:
    rule = ann.immutability.set("lab/base", tags=("/v[0-9]+/",))
    ann.immutability.set("lab/secret")
    bob = as_user(port, "bob")
    assert bob.immutability.list().items == (rule,)
    with pytest.raises(errors.NotPermitted, match="needs the right to manage"):
        bob.immutability.remove(rule.id)
    with pytest.raises(errors.NotFound):
        bob.immutability.remove(rule.id + 1)  # that of what it may not see
    with pytest.raises(errors.NotPermitted):
        bob.immutability.set("lab/base")
    with pytest.raises(errors.NotPermitted):
        ann.immutability.set("")
    with pytest.raises(errors.NotPermitted, match="needs an account"):
        as_user(port, "").immutability.list()


@pytest.mark.parametrize("pattern", ["/(/", "[", "x" * 201, ""])
def test_a_wrong_pattern_is_refused(ann: RegistryApi, pattern: str) -> None:
    with pytest.raises(errors.InvalidInput):
        ann.immutability.set("lab/", tags=(pattern,))


@pytest.mark.parametrize("scope", ["../", "Lab/", "lab/base/", "/", "lab//"])
def test_a_wrong_scope_is_refused(port: int, scope: str) -> None:
    with pytest.raises(errors.InvalidInput):
        as_user(port, "root").immutability.set(scope)


def test_a_token_for_a_repository_sets_no_rules(registry: Registry, ann: RegistryApi) -> None:
    token = IDENTITIES["ann"].limited({"lab/base": Level.MANAGE})
    rule = ann.immutability.set("lab/base")
    with pytest.raises(errors.NotPermitted, match="a token for repositories cannot"):
        immutability.set_rule(registry, token, "lab/base")
    with pytest.raises(errors.NotPermitted, match="a token for repositories cannot"):
        immutability.remove(registry, token, rule.id)


def test_a_rule_about_no_tag_is_refused(ann: RegistryApi) -> None:
    with pytest.raises(errors.InvalidInput, match="tags"):
        ann.immutability.set("lab/base", tags=())


def test_a_number_means_one_rule_for_ever(ann: RegistryApi) -> None:
    first = ann.immutability.set("lab/").id
    ann.immutability.remove(first)
    assert ann.immutability.set("lab/").id > first


def test_what_is_done_to_rules_is_in_the_audit_log(ann: RegistryApi) -> None:
    ann.immutability.remove(ann.immutability.set("lab/").id)
    details = [event.detail for event in ann.events.list(kind="rule").items]
    assert [text.split(":")[0] for text in details] == [
        "immutability rule 1 was removed (organisation lab)",
        "immutability rule 1 was made",
    ]
