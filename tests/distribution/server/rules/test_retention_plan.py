"""What retention decides: rules, exceptions, immutable tags, indexes, referrers, what is untagged."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.distribution.server.rules.retention_plan import (
    DAY_S,
    Contents,
    Manifest,
    Plan,
    Rule,
    Rules,
    Tag,
    plan,
)

NOW = 1000 * DAY_S


def digest(name: str) -> str:
    return "sha256:" + name.encode().hex().ljust(64, "0")


class Repository:
    """A repository that a test fills; ages are in days."""

    def __init__(self) -> None:
        self.tags: list[Tag] = []
        self.manifests: dict[str, Manifest] = {}
        self.parts: dict[str, tuple[str, ...]] = {}

    def image(
        self,
        name: str,
        age: float,
        *tags: str,
        subject: str = "",
        pulled: float | None = None,
        parts: str = "",
    ) -> None:
        pushed = NOW - age * DAY_S
        self.manifests[digest(name)] = Manifest(
            pushed, None if pulled is None else NOW - pulled * DAY_S, digest(subject) if subject else ""
        )
        self.parts[digest(name)] = tuple(digest(part) for part in (f"layer-{name}", *parts.split()))
        self.tags += [Tag(tag, digest(name), pushed) for tag in tags]

    def after(
        self, *rules: Rule, running: Collection[int] | None = None, immutable: Collection[str] = ()
    ) -> Plan:
        known: Mapping[int, Rule] = dict(enumerate(rules, 1))
        contents = Contents("lab/base", self.tags, self.manifests, self.parts)
        return plan(
            contents,
            Rules(known, known.keys() if running is None else running, lambda tag: tag in immutable),
            NOW,
        )


def tags_of(found: Plan) -> set[str]:
    return {each.tag for each in found.removals if each.tag}


def manifests_of(found: Plan) -> set[str]:
    return {
        bytes.fromhex(each.digest.removeprefix("sha256:")).rstrip(b"\0").decode()
        for each in found.removals
        if not each.tag
    }


@pytest.fixture
def repository() -> Repository:
    made = Repository()
    for number in range(1, 7):
        made.image(f"m{number}", number * 10, f"v{number}", pulled=1 if number == 6 else None)
    return made


def test_the_last_ones_stay(repository: Repository) -> None:
    found = repository.after(Rule(keep_last=4))
    assert (tags_of(found), manifests_of(found)) == ({"v5", "v6"}, {"m5", "m6"})
    assert found.removals[0].why == "rule 1: pushed 50 days ago, not among the last 4"
    assert found.released == {digest(name) for name in ("m5", "m6", "layer-m5", "layer-m6")}


def test_what_is_older_goes_and_what_was_pulled_lately_is_not_old(repository: Repository) -> None:
    assert tags_of(repository.after(Rule(older_than_days=35))) == {"v4", "v5", "v6"}
    assert tags_of(repository.after(Rule(older_than_days=35, by="pulled"))) == {"v4", "v5"}
    assert tags_of(repository.after(Rule(keep_last=2, by="pulled"))) == {"v2", "v3", "v4", "v5"}


def test_with_both_limits_only_old_ones_beyond_the_last_go(repository: Repository) -> None:
    assert tags_of(repository.after(Rule(keep_last=5, older_than_days=35))) == {"v6"}
    assert tags_of(repository.after(Rule(keep_last=1, older_than_days=55))) == {"v6"}


def test_patterns_and_exceptions(repository: Repository) -> None:
    repository.image("release", 900, "release-1", "v900")
    assert tags_of(repository.after(Rule(keep_last=1, tags=("/v[0-9]/",), exceptions=("v[23]",)))) == {
        "v4", "v5", "v6",
    }  # fmt: skip


def test_what_one_rule_keeps_stays(repository: Repository) -> None:
    strict, patient = Rule(keep_last=1), Rule(older_than_days=45, tags=("v*",))
    assert tags_of(repository.after(strict, patient)) == {"v5", "v6"}
    assert tags_of(repository.after(patient, strict)) == {"v5", "v6"}


def test_what_another_rule_keeps_is_said(repository: Repository) -> None:
    found = repository.after(Rule(keep_last=4), Rule(older_than_days=55), running=[1])
    assert tags_of(found) == {"v6"}
    assert [(each.tag, each.why) for each in found.spared] == [
        ("v5", "rule 2 keeps it; rule 1: pushed 50 days ago, not among the last 4")
    ]


def test_a_rule_that_does_not_run_keeps_but_takes_nothing(repository: Repository) -> None:
    strict, patient = Rule(keep_last=1), Rule(older_than_days=45)
    assert tags_of(repository.after(strict, patient, running=[1])) == {"v5", "v6"}
    assert tags_of(repository.after(strict, Rule(keep_last=5, tags=("w*",)), running=[2])) == set()


def test_without_rules_nothing_goes(repository: Repository) -> None:
    repository.image("loose", 900)
    assert repository.after() == Plan([], [], set())
    assert repository.after(Rule(keep_last=9)).removals == []


def test_immutable_tags_are_spared_and_said(repository: Repository) -> None:
    found = repository.after(Rule(keep_last=4), immutable=["v6"])
    assert (tags_of(found), manifests_of(found)) == ({"v5"}, {"m5"})
    assert [(each.tag, each.why) for each in found.spared] == [
        ("v6", "immutable; rule 1: pushed 2 months ago, not among the last 4")
    ]


def test_a_manifest_stays_as_long_as_a_tag_leads_to_it(repository: Repository) -> None:
    repository.tags.append(Tag("stable", digest("m6"), NOW))
    found = repository.after(Rule(keep_last=4, tags=("v*",)))
    assert (tags_of(found), manifests_of(found)) == ({"v5", "v6"}, {"m5"})


def test_the_images_of_an_index_go_and_stay_with_it() -> None:
    repository = Repository()
    repository.image("arm", 50)
    repository.image("amd", 50)
    repository.image("old", 50, "old", parts="arm amd")
    repository.image("new", 1, "new", parts="amd")
    found = repository.after(Rule(keep_last=1, untagged_days=1))
    assert (tags_of(found), manifests_of(found)) == ({"old"}, {"old", "arm"})
    assert digest("layer-amd") not in found.released
    assert digest("amd") not in found.released


def test_referrers_go_and_stay_with_their_subject_and_do_not_count() -> None:
    repository = Repository()
    for number in (1, 2, 3):
        repository.image(f"m{number}", number, f"v{number}")
        repository.image(f"sbom{number}", 0, subject=f"m{number}")
        repository.image(f"signature{number}", 0, digest(f"m{number}").replace(":", "-") + ".sig")
        repository.image(f"of-sbom{number}", 0, subject=f"sbom{number}")
    found = repository.after(Rule(keep_last=2, untagged_days=0))
    assert tags_of(found) == {"v3", digest("m3").replace(":", "-") + ".sig"}
    assert manifests_of(found) == {"m3", "sbom3", "signature3", "of-sbom3"}


def test_a_referrer_with_a_tag_of_its_own_is_an_image() -> None:
    repository = Repository()
    repository.image("m1", 9, "v1")
    repository.image("sbom", 8, "sbom-v1", subject="m1")
    found = repository.after(Rule(older_than_days=1, exceptions=("sbom-*",)))
    assert (tags_of(found), manifests_of(found)) == ({"v1"}, {"m1"})


def test_untagged_manifests_go_by_their_age_with_what_is_in_them() -> None:
    repository = Repository()
    repository.image("child", 50)
    repository.image("young-index", 2, parts="child")
    repository.image("old", 20)
    repository.image("signature", 1, subject="old")
    repository.image("orphan", 20, digest("nowhere").replace(":", "-") + ".sig")
    repository.image("young-orphan", 1, subject="nowhere")
    found = repository.after(Rule(untagged_days=7))
    assert manifests_of(found) == {"old", "signature", "orphan"}
    assert tags_of(found) == {digest("nowhere").replace(":", "-") + ".sig"}
    assert repository.after(Rule(untagged_days=7), Rule(untagged_days=30)).removals == []


def test_manifests_that_refer_to_each_other_are_decided() -> None:
    repository = Repository()
    repository.image("a", 50, subject="b")
    repository.image("b", 50, subject="a")
    repository.image("self", 50, "self", subject="self")
    assert manifests_of(repository.after(Rule(untagged_days=7))) == {"a", "b"}
    assert repository.after(Rule(untagged_days=70)).removals == []
    assert repository.after(Rule(keep_last=1)).removals == []


def _led_to(repository: Repository) -> set[str]:
    """Return the manifests that tags lead to, by way of whatever."""
    found = {tag.digest for tag in repository.tags}
    while more := {
        digest
        for digest, manifest in repository.manifests.items()
        if digest not in found
        and (manifest.subject in found or any(digest in repository.parts[each] for each in found))
    }:
        found |= more
    return found


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_goes_nothing_that_stays_misses_anything(data: st.DataObject) -> None:
    names = [f"m{number}" for number in range(8)]
    repository = Repository()
    for position, name in enumerate(names):
        repository.image(
            name,
            data.draw(st.integers(0, 40)),
            *data.draw(st.lists(st.sampled_from([f"t{position}", f"u{position}"]), unique=True)),
            subject=data.draw(st.sampled_from(["", *names])),
            parts=" ".join(
                data.draw(st.lists(st.sampled_from(names[:position]), unique=True)) if position else []
            ),
        )
    rules = data.draw(
        st.lists(
            st.builds(
                Rule,
                keep_last=st.none() | st.integers(1, 5),
                older_than_days=st.none() | st.integers(0, 40),
                untagged_days=st.none() | st.integers(0, 40),
                tags=st.sampled_from([("*",), ("t*",)]),
            ),
            max_size=3,
        )
    )
    found = repository.after(*rules)
    gone = {each.digest for each in found.removals if not each.tag}
    staying = repository.manifests.keys() - gone
    needed = set(staying).union(*(repository.parts[each] for each in staying))
    assert not needed & found.released
    assert not {part for each in staying for part in repository.parts[each]} & gone
    if all(rule.untagged_days is None for rule in rules):
        assert {each.digest for each in found.removals if not each.tag} <= _led_to(repository)
    tagged = {tag.digest for tag in repository.tags if tag.name not in tags_of(found)}
    assert tagged <= staying
