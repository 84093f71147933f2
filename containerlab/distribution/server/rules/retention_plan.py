"""What retention takes from one repository: decided from values, without touching anything.

A manifest is kept by a tag, by an index that has it, or by what it refers to: signatures and other referrers
live and go with their subject, and never count as images of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from containerlab import units
from containerlab.distribution.api.retention import Removal, Schedule, Spared
from containerlab.distribution.server.rules.patterns import Selection
from containerlab.oci.attached import subject_of

__all__ = ["DAY_S", "NEW", "Contents", "Manifest", "Plan", "Rule", "Rules", "Tag", "plan"]

DAY_S = 86400.0
NEW = 0
"""Number of a rule that is not made yet."""


class Rule(Selection, frozen=True, kw_only=True):
    """A rule as it is kept; see `api.retention.RetentionRule`."""

    keep_last: int | None = None
    older_than_days: float | None = None
    by: Literal["pushed", "pulled"] = "pushed"
    untagged_days: float | None = None
    schedule: Schedule = "manual"

    @property
    def has_limit(self) -> bool:
        """Whether it lets tags go at all."""
        return self.keep_last is not None or self.older_than_days is not None


class Tag(NamedTuple):
    name: str
    digest: str
    pushed: float


class Manifest(NamedTuple):
    pushed: float
    pulled: float | None
    subject: str


class Contents(NamedTuple):
    """What is in a repository."""

    repository: str
    tags: Sequence[Tag]
    manifests: Mapping[str, Manifest]
    """By digest."""
    parts: Mapping[str, Collection[str]]
    """Of each manifest: the digests of its blobs and of the manifests in it."""


class Rules(NamedTuple):
    """What is to be applied."""

    rules: Mapping[int, Rule]
    """All that are about the repository, by their numbers: what one keeps stays."""
    running: Collection[int]
    """Those that are carried out: nothing goes without one of them."""
    is_immutable: Callable[[str], bool]
    """Tells of a tag."""


class Plan(NamedTuple):
    """What goes."""

    removals: list[Removal]
    """Tags first, then manifests."""
    spared: list[Spared]
    released: set[str]
    """Digests of manifests and blobs that nothing in the repository needs any more."""


def plan(contents: Contents, rules: Rules, now: float) -> Plan:
    """Decide what goes."""
    tags = {tag.name: tag for tag in contents.tags}
    attached = {name for name in tags if subject_of(name) and not rules.is_immutable(name)}
    wanted, keepers = _let_go(
        [tag for tag in contents.tags if tag.name not in attached], contents, rules, now
    )
    spared = {name: f"{_rule(number)} keeps it" for name, number in keepers.items() if name in wanted}
    spared |= {name: "immutable" for name in wanted if rules.is_immutable(name)}
    going = {name: why for name, why in wanted.items() if name not in spared}
    manifests = _gone(contents, attached, going, rules, now)
    for name in attached:
        if tags[name].digest in manifests:
            going[name] = manifests[tags[name].digest]
    repository = contents.repository
    return Plan(
        [
            *(
                Removal(repository=repository, tag=name, digest=tags[name].digest, why=going[name])
                for name in going
            ),
            *(Removal(repository=repository, digest=digest, why=why) for digest, why in manifests.items()),
        ],
        [Spared(repository=repository, tag=name, why=f"{spared[name]}; {wanted[name]}") for name in spared],
        _released(contents, manifests),
    )


def _let_go(
    tags: Sequence[Tag], contents: Contents, rules: Rules, now: float
) -> tuple[dict[str, str], dict[str, int]]:
    """Return the tags that a rule lets go, with the reason, and those that a rule keeps, with its number."""
    kept: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for number, rule in rules.rules.items():
        if rule.has_limit:
            let_go = dict(_judge([tag for tag in tags if rule.has(tag.name)], rule, contents, now))
            kept |= {name: number for name, why in let_go.items() if not why}
            if number in rules.running:
                reasons |= {name: f"{_rule(number)}: {why}" for name, why in let_go.items() if why}
    return reasons, kept


def _rule(number: int) -> str:
    return "this rule" if number == NEW else f"rule {number}"


def _judge(tags: Sequence[Tag], rule: Rule, contents: Contents, now: float) -> Iterator[tuple[str, str]]:
    """Say of each tag that a rule is about why it goes, or nothing when it stays."""

    def moment(tag: Tag) -> float:
        pulled = contents.manifests[tag.digest].pulled if rule.by == "pulled" else None
        return max(tag.pushed, pulled or 0.0)

    newest_first = sorted(tags, key=lambda tag: (-moment(tag), tag.name))
    for position, tag in enumerate(newest_first):
        age_days = (now - moment(tag)) / DAY_S
        is_last = rule.keep_last is not None and position < rule.keep_last
        is_young = rule.older_than_days is not None and age_days <= rule.older_than_days
        reasons = [f"{rule.by} {units.format_age(moment(tag), now)}"]
        if rule.keep_last is not None:
            reasons.append(f"not among the last {rule.keep_last}")
        if rule.older_than_days is not None:
            reasons.append(f"older than {rule.older_than_days:g} days")
        yield tag.name, "" if is_last or is_young else ", ".join(reasons)


def _gone(
    contents: Contents, attached: Collection[str], going: Mapping[str, str], rules: Rules, now: float
) -> dict[str, str]:
    """Return the manifests that go, with the reason."""
    tree = _Tree(contents, attached)
    roots = [tag for tag in contents.tags if tag.name not in attached]
    before = tree.living(tag.digest for tag in roots)
    after = tree.living(tag.digest for tag in roots if tag.name not in going)
    loose = [digest for digest in contents.manifests if digest not in before]
    days = _untagged_days(rules)
    tops = {tree.top(digest) for digest in loose}
    young = [
        digest for digest in tops if days is None or (now - contents.manifests[digest].pushed) / DAY_S <= days
    ]
    kept = after | tree.living(young)
    reasons = dict.fromkeys(before, "its last tag goes")
    reasons |= dict.fromkeys(loose, f"untagged, pushed more than {days or 0:g} days ago")
    for digest in contents.manifests:
        if tree.has_subject(digest) and digest in before:
            reasons[digest] = "what it refers to goes"
    return {digest: reasons[digest] for digest in contents.manifests if digest not in kept}


def _untagged_days(rules: Rules) -> float | None:
    """Return after how many days the most patient rule lets untagged manifests go."""
    days = {
        number: rule.untagged_days for number, rule in rules.rules.items() if rule.untagged_days is not None
    }
    return max(days.values()) if days.keys() & set(rules.running) else None


class _Tree:
    """Which manifests keep which others."""

    def __init__(self, contents: Contents, attached: Collection[str]) -> None:
        self._known = contents.manifests
        self._parts = contents.parts
        self._subjects: dict[str, str] = {
            digest: manifest.subject for digest, manifest in contents.manifests.items() if manifest.subject
        }
        self._subjects |= {tag.digest: subject_of(tag.name) for tag in contents.tags if tag.name in attached}
        self._referrers: dict[str, list[str]] = defaultdict(list)
        for digest, subject in self._subjects.items():
            self._referrers[subject].append(digest)

    def has_subject(self, digest: str) -> bool:
        """Tell whether it refers to something that is there."""
        return self._subjects.get(digest) in self._known

    def top(self, digest: str) -> str:
        """Return what a manifest refers to in the end; itself, if it refers to itself."""
        found, seen = digest, {digest}
        while self.has_subject(found):
            found = self._subjects[found]
            if found in seen:
                return digest
            seen.add(found)
        return found

    def living(self, roots: Iterable[str]) -> set[str]:
        """Return the manifests that some of them keep, themselves among them."""
        waiting, seen = list(roots), set()
        while waiting:
            digest = waiting.pop()
            if digest in self._known and digest not in seen:
                seen.add(digest)
                waiting += self._parts.get(digest, ())
                waiting += self._referrers.get(digest, ())
        return seen


def _released(contents: Contents, manifests: Collection[str]) -> set[str]:
    staying = [digest for digest in contents.manifests if digest not in manifests]
    needed = set(staying).union(*(contents.parts.get(digest, ()) for digest in staying))
    return set(manifests).union(*(contents.parts.get(digest, ()) for digest in manifests)) - needed
