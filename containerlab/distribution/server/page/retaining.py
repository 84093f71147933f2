"""The retention editor: rules of a scope, and what one would do before it is kept or carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from containerlab import units
from containerlab.distribution.server import scopes
from containerlab.distribution.server.page import browsing
from containerlab.distribution.server.page.settings import Action, perform

if TYPE_CHECKING:
    from typing import Literal

    from starlette.responses import Response

    from containerlab.distribution.api.retention import RetentionReport, RetentionRule, Schedule
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["change_of_organization", "change_of_repository", "of_organization", "of_repository"]


class _Wishes(TypedDict):
    """What a rule says; as the operations of the API take it."""

    keep_last: int | None
    older_than_days: float | None
    by: Literal["pushed", "pulled"]
    tags: tuple[str, ...]
    exceptions: tuple[str, ...]
    untagged_days: float | None
    schedule: Schedule


_FRESH = _Wishes(
    keep_last=10,
    older_than_days=30,
    by="pushed",
    tags=("*",),
    exceptions=("latest",),
    untagged_days=7,
    schedule="manual",
)
"""What the form of a new rule suggests."""


def of_repository(visit: Visit) -> Response:
    """Show the rules of a repository."""
    return _show(visit, browsing.managed(visit).name)


def change_of_repository(visit: Visit) -> Response:
    """Try, keep, carry out or take away rules of a repository."""
    return _change(visit, browsing.managed(visit).name)


def of_organization(visit: Visit) -> Response:
    """Show the rules of an organisation."""
    return _show(visit, f"{visit.path('organization')}/")


def change_of_organization(visit: Visit) -> Response:
    """Try, keep, carry out or take away rules of an organisation."""
    return _change(visit, f"{visit.path('organization')}/")


def _show(
    visit: Visit, scope: str, wishes: _Wishes | None = None, report: RetentionReport | None = None
) -> Response:
    rules = [rule for rule in visit.api.retention.list().items if covers(rule.scope, scope)]
    number = visit.number("rule") if visit.form else _chosen(visit)
    chosen = next((rule for rule in rules if rule.id == number), None)
    return visit.render(
        "retention.html",
        scope=scope,
        rules=[rule for rule in rules if rule.scope == scope],
        others=[rule for rule in rules if rule.scope != scope],
        chosen=chosen,
        wishes=wishes or (_wishes_of(chosen) if chosen else _FRESH),
        report=report,
        tags=[each for each in report.removals if each.tag] if report else [],
        manifests=[each for each in report.removals if not each.tag] if report else [],
    )


def covers(outer: str, scope: str) -> bool:
    """Tell whether a rule of one scope is about another, too.

    >>> covers("lab/", "lab/base"), covers("", "lab/"), covers("lab/base", "lab/")
    (True, True, False)
    """
    return outer == scope or (scopes.covers(outer, scope) if not scope.endswith("/") else not outer)


def _chosen(visit: Visit) -> int | None:
    text = visit.query("rule")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _wishes_of(rule: RetentionRule) -> _Wishes:
    return cast(_Wishes, {name: getattr(rule, name) for name in _Wishes.__annotations__})


def _change(visit: Visit, scope: str) -> Response:
    if visit.field("do") in ("try", "try all"):
        wishes = _wishes(visit) if visit.field("do") == "try" else None
        return _show(visit, scope, wishes, _tried(visit, scope, wishes))
    return perform(visit, scope, _ACTIONS, lambda: _show(visit, scope))


def _tried(visit: Visit, scope: str, wishes: _Wishes | None) -> RetentionReport:
    if wishes is None:
        return visit.api.retention.run(scope, dry_run=True)
    return visit.api.retention.preview(scope, replacing=visit.number("rule"), **wishes)


def _wishes(visit: Visit) -> _Wishes:
    return _Wishes(
        keep_last=visit.number("keep_last"),
        older_than_days=visit.number("older_than_days"),
        by=cast("Literal['pushed', 'pulled']", visit.field("by") or "pushed"),
        tags=visit.words("tags") or ("*",),
        exceptions=visit.words("exceptions"),
        untagged_days=visit.number("untagged_days"),
        schedule=cast("Schedule", visit.field("schedule") or "manual"),
    )


def _keep(visit: Visit, scope: str) -> str:
    number = visit.number("rule")
    if number is None:
        visit.api.retention.set(scope, **_wishes(visit))
        return "The rule is kept."
    visit.api.retention.update(number, **_wishes(visit))
    return "The rule is changed."


def _take_away(visit: Visit, scope: str) -> str:
    visit.api.retention.remove(visit.id())
    return "The rule is gone; nothing goes by it any more."


def _run(visit: Visit, scope: str) -> str:
    report = visit.api.retention.run(scope)
    tags = units.format_count(len([each for each in report.removals if each.tag]), "tag")
    return f"{tags} went; {units.format_size(report.freed_bytes)} are free again."


_ACTIONS: Mapping[str, Action] = {"keep": _keep, "take away": _take_away, "run": _run}
