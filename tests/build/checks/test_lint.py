"""Each rule: folders named for it, with a Dockerfile and what it finds there."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.build.checks.lint import BaseImage, Known, checks_of, lint
from containerlab.build.checks.rules import RULES, Checks, refuse
from containerlab.build.language.located import DockerfileError
from containerlab.build.language.parser import parse
from containerlab.errors import InvalidInput
from containerlab.oci.platform import Platform

CASES = Path(__file__).parent / "lint"


def _base_image(name: str, platform: Platform) -> BaseImage | None:
    if name == "elsewhere":
        return BaseImage({}, platform=Platform("riscv64", "linux"))
    return BaseImage({"a": "1"}, platform=platform) if name == "known" else None


_KNOWN = Known(
    base_image=_base_image,
    ignore=("*.md", "!keep.md", "out", "!out/*/kept", "tmp"),
    platform=Platform("amd64", "linux"),
)


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_rule(case: Path) -> None:
    rule = case.name.partition("-")[0]
    findings = lint(parse((case / "Dockerfile").read_text()), known=_KNOWN)
    shown = "".join(f"{each.line}: {each.message}\n" for each in findings if each.rule == rule)
    assert shown == (case / "result").read_text()


def test_all_rules_have_a_case() -> None:
    with_case = {case.name.partition("-")[0] for case in CASES.iterdir() if (case / "result").read_text()}
    assert with_case == set(RULES)
    assert len(RULES) == 22


def test_a_shell_of_the_base_image_counts() -> None:
    dockerfile = parse("FROM a\nCMD b")
    assert [each.rule for each in lint(dockerfile)] == ["JSONArgsRecommended"]
    known = Known(base_image=lambda name, platform: BaseImage({}, has_shell=True))
    assert lint(dockerfile, known=known) == []


def test_build_arguments_are_values() -> None:
    text = "ARG BASE\nFROM $BASE\nARG W=x\nWORKDIR $W"
    assert [each.rule for each in lint(parse(text), known=Known({"BASE": "scratch", "W": "/x"}))] == [
        "InvalidDefaultArgInFrom"
    ]


def test_a_finding_says_where_to_read_more() -> None:
    (finding,) = lint(parse("FROM a\r\nMAINTAINER b\r\n"))
    assert finding.text == "MAINTAINER b"
    assert finding.url == "https://docs.docker.com/reference/build-checks/maintainer-deprecated/"
    assert RULES["JSONArgsRecommended"].url.endswith("/json-args-recommended/")


@pytest.mark.parametrize(
    ("check", "rules"),
    [
        ("", ["MaintainerDeprecated", "LegacyKeyValueFormat"]),
        ("skip=MaintainerDeprecated", ["LegacyKeyValueFormat"]),
        ("skip=MaintainerDeprecated,LegacyKeyValueFormat", []),
        ("skip=all;error=true", []),
        ("error=true", ["MaintainerDeprecated", "LegacyKeyValueFormat"]),
        ("skip=all;experimental=InvalidDefinitionDescription", ["InvalidDefinitionDescription"]),
    ],
)
def test_a_dockerfile_says_what_it_is_checked_by(check: str, rules: list[str]) -> None:
    head = f"# check={check}\n" if check else ""
    dockerfile = parse(f"{head}FROM a\nMAINTAINER b\nENV c d\n# x\nARG e\n")
    assert [each.rule for each in lint(dockerfile)] == rules


def test_findings_are_errors_where_the_dockerfile_says_so() -> None:
    dockerfile = parse("# check=error=true\nFROM a\nMAINTAINER b\nENV c d\nENV e f")
    findings = lint(dockerfile)
    with pytest.raises(InvalidInput, match=": MaintainerDeprecated, LegacyKeyValueFormat "):
        refuse(findings, checks_of(dockerfile))
    refuse(findings, Checks())
    refuse([], checks_of(dockerfile))


@pytest.mark.parametrize("check", ["skip", "skp=all", "error=yes", "a=b;error=true"])
def test_wrong_checks(check: str) -> None:
    with pytest.raises(InvalidInput, match="invalid check option"):
        Checks.parse(check)


def test_wrong_checks_of_a_dockerfile_show_their_line() -> None:
    with pytest.raises(DockerfileError, match="Dockerfile:3: invalid check option 'skp=all'") as error:
        lint(parse("#!/x\n# syntax=a\n#check = skp=all\nFROM a"))
    assert error.value.hint == "did you mean skip?"


def test_what_cannot_be_expanded_ends_the_check_of_its_stage_only() -> None:
    text = "FROM scratch\nUSER ${\nUSER $a\nFROM scratch\nUSER $b"
    assert [each.message for each in lint(parse(text))] == ["Usage of undefined variable '$b'"]
