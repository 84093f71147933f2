"""Checks a Dockerfile by the published rules: what its text and what is known of its base images show.

Nothing is built or loaded for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerlab.build.checks.rules import Checks, Reporter, wanted
from containerlab.build.checks.variables import BaseImage, Known, Variables
from containerlab.build.language import directives, lines
from containerlab.build.language.instructions import (
    Arg,
    Cmd,
    Dockerfile,
    Entrypoint,
    Env,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Place,
    Stage,
)
from containerlab.build.language.located import at
from containerlab.build.record import LintWarning
from containerlab.build.secrecy.secret_names import looks_secret
from containerlab.errors import InvalidInput

__all__ = ["BaseImage", "Known", "checks_of", "lint"]

_Findings = Iterator[LintWarning]
_NOTHING = Known()
_RESERVED = ("context", "scratch")


def checks_of(dockerfile: Dockerfile) -> Checks:
    """Return which rules the Dockerfile wants to be checked by.

    Raises: DockerfileError for a wrong `check` directive.
    """
    try:
        return Checks.parse(dockerfile.directives.get("check", "").partition(" ")[0])
    except InvalidInput as error:
        place = _place_of_check(dockerfile.text)
        raise at(dockerfile.name, dockerfile.text, place, error.message, error.hint) from error


def _place_of_check(text: str) -> Place:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        name, _ = directives.value_of(line) or ("", "")
        if name == "check":
            return Place(number, number)
    return Place(1, 1)


def lint(
    dockerfile: Dockerfile,
    checks: Checks | None = None,
    known: Known = _NOTHING,
) -> list[LintWarning]:
    """Check a Dockerfile, all of its stages; what it skips by its own `check` is left out.

    Where nothing is known of an image that a stage begins with, all variables may be defined there.
    Raises: InvalidInput for a wrong `check` directive.
    """
    report = Reporter(dockerfile)
    findings = [
        *_about_lines(report),
        *_about_casing(report),
        *_about_stage_names(report),
        *(found for stage in dockerfile.stages for found in _about_stage(report, stage)),
        *Variables(report, known).findings(),
    ]
    return wanted(findings, checks or checks_of(dockerfile))


def _about_lines(report: Reporter) -> _Findings:
    for line in lines.read(report.dockerfile.text, report.dockerfile.escape):
        if line.gap:
            yield report.warning("NoEmptyContinuation", Place(line.gap, line.gap))
        names = _described_names(line)
        if names and line.comments and line.comments[-1].split(" ")[0] not in names:
            command = line.statement.keyword.upper()
            name = names[0] if len(names) == 1 else "<arg_key>"
            yield report.warning("InvalidDefinitionDescription", line.place, command=command, name=name)


def _described_names(line: lines.Line) -> list[str]:
    keyword, words = line.statement.keyword.lower(), line.statement.rest.split()
    if keyword == "from":
        return [words[2].lower()] if len(words) == 3 else []
    return [word.partition("=")[0] for word in words] if keyword == "arg" else []


def _about_casing(report: Reporter) -> _Findings:
    said = [each for stage in report.dockerfile.stages for each in (stage.from_, *stage.instructions)]
    lower = sum(each.keyword == each.keyword.lower() for each in said)
    upper = sum(each.keyword == each.keyword.upper() for each in said)
    casing, right = ("lowercase", str.lower) if lower > upper else ("uppercase", str.upper)
    for each in said:
        if each.keyword != right(each.keyword):
            values = {"command": each.keyword, "casing": casing}
            yield report.warning("ConsistentInstructionCasing", each.place, **values)


def _about_stage_names(report: Reporter) -> _Findings:
    seen: set[str] = set()
    for stage in report.dockerfile.stages:
        from_ = stage.from_
        if not from_.name:
            continue
        if from_.name != from_.name.lower():
            yield report.warning("StageNameCasing", from_.place, name=from_.name)
        if not _same_casing(from_.keyword, from_.name_keyword):
            values = {"from_": from_.keyword, "as_": from_.name_keyword}
            yield report.warning("FromAsCasing", from_.place, **values)
        if stage.name in _RESERVED:
            yield report.warning("ReservedStageName", from_.place, name=stage.name)
        if stage.name in seen:
            yield report.warning("DuplicateStageName", from_.place, name=stage.name)
        seen.add(stage.name)


def _same_casing(keyword: str, other: str) -> bool:
    """A mixed keyword is a matter of its own."""
    if keyword == keyword.lower():
        return other == other.lower()
    return keyword != keyword.upper() or other == other.upper()


def _about_stage(report: Reporter, stage: Stage) -> _Findings:
    last: dict[type[Instruction], Instruction] = {}
    for each in stage.instructions:
        if isinstance(each, (Cmd, Entrypoint, Healthcheck)):
            before = last.get(type(each))
            if before:
                values = {"command": each.keyword}
                yield report.warning("MultipleInstructionsDisallowed", before.place, **values)
            last[type(each)] = each
        if isinstance(each, Maintainer):
            yield report.warning("MaintainerDeprecated", each.place)
        if isinstance(each, (Env, Label)) and each.is_legacy:
            yield report.warning("LegacyKeyValueFormat", each.place, command=each.keyword)
        yield from _about_secrets(report, each)


def _about_secrets(report: Reporter, each: Instruction) -> _Findings:
    if isinstance(each, Label) or not isinstance(each, (Arg, Env)):
        return
    command = "ARG" if isinstance(each, Arg) else "ENV"
    for name, _ in each.pairs:
        if looks_secret(name):
            yield report.warning("SecretsUsedInArgOrEnv", each.place, command=command, name=name)
