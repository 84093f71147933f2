"""How parameters of the registry's API are written on the command line: one line each.

What has no line here is written as its name and type say; a line for one operation alone begins with its name.
Where the registry knows certain words only, an option takes no others.
"""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.flag import Flag
from containerlab.options.tls import TLS_VERIFY

__all__ = ["PARAMETERS", "WhereOptions"]


def _days(value: float | str) -> float:
    return units.seconds(value) / 86400


# fmt: off
class WhereOptions(TypedDict, total=False):
    at: Annotated[str, Flag("--registry", v.text, "Where: $CONTAINERLAB_REGISTRY, else localhost:5000", "HOST[:PORT]")]
    at_tls_verify: Annotated[bool, TLS_VERIFY]


PARAMETERS: dict[str, Flag] = {
    "account": Flag("--account", v.text, "Only of this user or robot", "NAME"),
    "again": Flag("--again", units.switch, "Also if it was done already"),
    "by": Flag("--by", v.text, "What age counts from: pushed, or pulled for the last push or pull", "WORD"),
    "category": Flag("--category", v.text, "What kind of thing it is, in one word", "WORD"),
    "description": Flag("--description", v.text, "What it is, in one line", "TEXT"),
    "discard": Flag("--discard", units.switch, "Remove damaged blobs, so that the next push brings them again"),
    "dry_run": Flag("--dry-run", units.switch, "Only say what would be done"),
    "exceptions": Flag("--except", v.text, "Pattern of tags that are left alone", "PATTERN", "", tuple),
    "force": Flag("-f --force", units.switch, "Also with all that is in it"),
    "format": Flag("--as", v.text, "cloudevents, or docker for receivers that know only that", "FORMAT"),
    "grace_s": Flag("--grace", units.seconds, "How long blobs stay that no manifest needs (1d)", "DURATION"),
    "is_admin": Flag("--admin", units.switch, "Let them do everything; --no-admin ends it"),
    "is_disabled": Flag("--disabled", units.switch, "Keep it out, at once; --no-disabled lets it in again"),
    "is_enabled": Flag("--enabled", units.switch, "Use it; --no-enabled leaves it unused"),
    "is_public": Flag("--public", units.switch, "Let everybody pull; --no-public does not"),
    "keep_last": Flag("--keep-last", v.whole(1, 1_000_000), "So many of the newest stay, however old", "NUMBER"),
    "kind": Flag("--kind", v.text, "Only what happened of this kind: push, pull, delete, login, …", "KIND"),
    "kinds": Flag("--on", v.text, "What it is told of: push, delete, tag.delete, …", "KIND", "", tuple),
    "level": Flag("--level", v.text, "read: pull; write: push, too; manage: everything", "LEVEL"),
    "limit": Flag("-n --limit", v.whole(1, 10**9), "The most that are shown", "NUMBER"),
    "old": Flag("--old-stdin", units.switch, "Read your old password from standard input, the line before the new one"),
    "older_than_days": Flag("--older-than", _days, "Those stay that are not older: 30d", "DURATION"),
    "organization": Flag("--organization", v.text, "Only of this organisation", "NAME"),
    "password": Flag("--password-stdin", units.switch, "Read the password from standard input"),
    "repositories": Flag("--repository", v.text, "Only for this repository, instead of all", "NAME", "", tuple),
    "repository": Flag("--repository", v.text, "Only of this repository", "NAME"),
    "schedule": Flag("--schedule", v.text, "When it is done by itself: hourly, daily, weekly (manual)", "WORD"),
    "search": Flag("--search", v.text, "Only those whose name or description has this", "TEXT"),
    "secret": Flag("--secret-stdin", units.switch, "Read the secret from standard input; one is made without"),
    "since": Flag("--since", units.moment, "From a time on, or how long ago: 10m", "TIME"),
    "tags": Flag("--tag", v.text, "Pattern of the tags that it is about: 'v*', '/v\\d+/'", "PATTERN", "", tuple),
    "tls_verify": Flag("--target-tls-verify", units.switch, "Check the certificate of the other side"),
    "untagged": Flag("--untagged", units.switch, "Also manifests to which no tag, index or subject leads"),
    "untagged_days": Flag("--untagged", _days, "Manifests without a tag go when they are older: 7d", "DURATION"),
    "until": Flag("--until", units.later, "When it ends: 12h, 7d, or a time", "TIME"),
    "examinations.list.reference": Flag("--of", v.text, "Only of this tag or digest", "TAG|DIGEST"),
    "examinations.run.kind": Flag("--kind", v.text, "audit: secrets; sbom: packages (audit)", "KIND"),
    "events.list.until": Flag("--until", units.moment, "Up to a time, or how long ago", "TIME"),
    "events.export.until": Flag("--until", units.moment, "Up to a time, or how long ago", "TIME"),
    "shares.list.direction": Flag("--direction", v.text, "received: with you; given: by you, or all of a repository that you manage", "WORD"),
    "shares.list.repository": Flag("--repository", v.text, "Only of this repository", "NAME"),
    "rights.list.scope": Flag("--on", v.text, "Only on this: lab/ or lab/base", "SCOPE"),
    "replications.create.repositories": Flag("--repository", v.text, "Which repositories: a name, or a pattern as 'lab/*'; all if left out", "PATTERN"),
    "replications.update.repositories": Flag("--repository", v.text, "Which repositories: a name, or a pattern as 'lab/*'", "PATTERN"),
    "replications.create.tags": Flag("--tag", v.text, "Which tags: 'v*', '/v\\d+/'; all if left out", "PATTERN"),
    "replications.update.tags": Flag("--tag", v.text, "Which tags: 'v*', '/v\\d+/'", "PATTERN"),
    "replications.update.registry": Flag("--with", v.text, "The other registry", "HOST[:PORT]"),
    "replications.create.every_s": Flag("--every", units.seconds, "Copy all again and again: 12h", "DURATION"),
    "replications.update.every_s": Flag("--every", units.seconds, "Copy all again and again: 12h; 0 ends it", "DURATION"),
    "daily": Flag("--daily", v.text, "Copy all every day at this time, UTC: 03:30", "HH:MM"),
    "deletes": Flag("--deletes", units.switch, "Delete where it went what is deleted where it comes from"),
    "direction": Flag("--direction", v.text, "push: from here to there; pull: from there to here", "WORD"),
    "on_push": Flag("--on-push", units.switch, "Copy at once what is pushed here; --no-on-push leaves it to the schedule"),
    "prefix": Flag("--prefix", v.text, "What comes before names where they are copied to", "NAME"),
    "username": Flag("--username", v.text, "Who this registry is at the other one", "NAME"),
    "upstreams.update.prefix": Flag("--prefix", v.text, "Of repositories here", "NAME"),
    "upstreams.update.registry": Flag("--upstream", v.text, "Where they are looked for", "HOST[:PORT]"),
    "path": Flag("--path", v.text, "What comes before their names there in the place of the prefix", "NAME"),
    "fresh_s": Flag("--fresh", units.seconds, "How long a tag is served before it is compared again: 5m", "DURATION"),
    "answers_ns": Flag("--answers-ns", units.switch, "Answer requests with ?ns=REGISTRY from here, as a mirror of containerd"),
    "url": Flag("--url", v.text, "Where it is told", "URL"),
    "valid_s": Flag("--valid", units.seconds, "How long it is good for: 6h, 30d", "DURATION"),
    "logins.create.valid_s": Flag("--valid", units.seconds, "How long it is good for, a day at most (6h)", "DURATION"),
    "robots.create.valid_s": Flag("--valid", units.seconds, "How long it is good for, a year at most (30d)", "DURATION"),
}
# fmt: on
