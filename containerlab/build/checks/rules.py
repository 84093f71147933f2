"""The rules that Dockerfiles are checked by, as data, under the names that Docker publishes.

Source: https://docs.docker.com/reference/build-checks/ and BuildKit's frontend/dockerfile/linter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from containerlab.build.language.instructions import Dockerfile, Place
from containerlab.build.record import LintWarning
from containerlab.build.truth import truth
from containerlab.errors import InvalidInput, nearest

__all__ = ["RULES", "Checks", "Reporter", "Rule", "refuse", "wanted"]


class Rule(NamedTuple):
    """`message` is filled in with what each finding names."""

    name: str
    description: str
    message: str
    is_experimental: bool = False
    """Whether it is used only when a Dockerfile asks for it."""

    @property
    def url(self) -> str:
        """The page that explains it."""
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", self.name)
        return f"https://docs.docker.com/reference/build-checks/{'-'.join(words).lower()}/"


_ALL = (
    Rule("StageNameCasing", "Stage names should be lowercase", "Stage name '{name}' should be lowercase"),
    Rule(
        "FromAsCasing",
        "The 'as' keyword should match the case of the 'from' keyword",
        "'{as_}' and '{from_}' keywords' casing do not match",
    ),
    Rule(
        "NoEmptyContinuation",
        "Empty continuation lines will become errors in a future release",
        "Empty continuation line",
    ),
    Rule(
        "ConsistentInstructionCasing",
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
        "Command '{command}' should match the case of the command majority ({casing})",
    ),
    Rule(
        "DuplicateStageName",
        "Stage names should be unique",
        'Duplicate stage name "{name}", stage names should be unique',
    ),
    Rule(
        "ReservedStageName",
        "Reserved words should not be used as stage names",
        'Stage name should not use the same name as reserved stage "{name}"',
    ),
    Rule(
        "JSONArgsRecommended",
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
        "JSON arguments recommended for {command} to prevent unintended behavior related to OS signals",
    ),
    Rule(
        "MaintainerDeprecated",
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
        "Maintainer instruction is deprecated in favor of using label",
    ),
    Rule(
        "UndefinedArgInFrom",
        "FROM command must use declared ARGs",
        "FROM argument '{name}' is not declared{suggestion}",
    ),
    Rule(
        "WorkdirRelativePath",
        "Relative workdir without an absolute workdir declared within the build can have unexpected results "
        "if the base image changes",
        'Relative workdir "{path}" can have unexpected results if the base image changes',
    ),
    Rule(
        "UndefinedVar",
        "Variables should be defined before their use",
        "Usage of undefined variable '${name}'{suggestion}",
    ),
    Rule(
        "MultipleInstructionsDisallowed",
        "Multiple instructions of the same type should not be used in the same stage",
        "Multiple {command} instructions should not be used in the same stage "
        "because only the last one will be used",
    ),
    Rule(
        "LegacyKeyValueFormat",
        "Legacy key/value format with whitespace separator should not be used",
        '"{command} key=value" should be used instead of legacy "{command} key value" format',
    ),
    Rule(
        "InvalidBaseImagePlatform",
        "Base image platform does not match expected target platform",
        'Base image {image} was pulled with platform "{actual}", expected "{expected}" for current build',
    ),
    Rule(
        "RedundantTargetPlatform",
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        "Setting platform to predefined {variable} in FROM is redundant as this is the default behavior",
    ),
    Rule(
        "SecretsUsedInArgOrEnv",
        "Sensitive data should not be used in the ARG or ENV commands",
        'Do not use ARG or ENV instructions for sensitive data ({command} "{name}")',
    ),
    Rule(
        "InvalidDefaultArgInFrom",
        "Default value for global ARG results in an empty or invalid base image name",
        "Default value for ARG {image} results in empty or invalid base image name",
    ),
    Rule(
        "FromPlatformFlagConstDisallowed",
        "FROM --platform flag should not use a constant value",
        'FROM --platform flag should not use constant value "{platform}"',
    ),
    Rule(
        "CopyIgnoredFile",
        "Attempting to Copy file that is excluded by .dockerignore",
        'Attempting to {command} file "{path}" that is excluded by .dockerignore',
    ),
    Rule(
        "InvalidDefinitionDescription",
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. "
        "If this is not intended to be a description comment, add an empty line or comment between the "
        "instruction and the comment.",
        "Comment for {command} should follow the format: `# {name} <description>`",
        is_experimental=True,
    ),
    Rule(
        "ExposeProtoCasing",
        "Protocol in EXPOSE instruction should be lowercase",
        "Defined protocol '{port}' in EXPOSE instruction should be lowercase",
    ),
    Rule(
        "ExposeInvalidFormat",
        "IP address and host-port mapping should not be used in EXPOSE instruction. "
        "This will become an error in a future release",
        "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'",
    ),
)
RULES = {rule.name: rule for rule in _ALL}


class Reporter:
    """Makes the findings of one Dockerfile."""

    def __init__(self, dockerfile: Dockerfile) -> None:
        self.dockerfile = dockerfile
        self._lines = dockerfile.text.split("\n")

    def warning(self, rule: str, place: Place, **values: str) -> LintWarning:
        """Make a finding; `values` fill in the rule's message."""
        found = RULES[rule]
        return LintWarning(
            rule=rule,
            message=found.message.format(**values),
            line=place.first,
            url=found.url,
            text=self._lines[place.first - 1].rstrip("\r"),
        )


class Checks(NamedTuple):
    """Which rules count: what `# check=skip=…;error=…;experimental=…` says."""

    skipped: frozenset[str] = frozenset()
    skips_all: bool = False
    experimental: frozenset[str] = frozenset()
    wants_all_experimental: bool = False
    are_errors: bool = False
    """Whether a finding ends the build."""

    @staticmethod
    def parse(text: str) -> Checks:
        """Read the value of the directive, or of the build argument BUILDKIT_DOCKERFILE_CHECK.

        Raises: InvalidInput.
        """
        checks = Checks()
        for option in text.strip().split(";", 2) if text.strip() else ():
            key, equals, value = option.partition("=")
            key, value = key.strip(), value.strip()
            names = frozenset(name.strip() for name in value.split(","))
            if not equals or key not in ("skip", "error", "experimental"):
                hint = (
                    nearest(key, ("skip", "error", "experimental")) or "skip=A,B;error=true;experimental=all"
                )
                raise InvalidInput(f"invalid check option {option!r}", hint)
            if key == "error":
                checks = checks._replace(are_errors=_boolean(value))
            elif key == "skip":
                checks = checks._replace(skips_all=True) if value == "all" else checks._replace(skipped=names)
            elif value == "all":
                checks = checks._replace(wants_all_experimental=True)
            else:
                checks = checks._replace(experimental=names)
        return checks

    def wants(self, rule: Rule) -> bool:
        if rule.is_experimental:
            return self.wants_all_experimental or rule.name in self.experimental
        return not self.skips_all and rule.name not in self.skipped


def _boolean(value: str) -> bool:
    said = truth(value)
    if said is None:
        raise InvalidInput(f"invalid check option 'error={value}'", "error is true or false")
    return said


def wanted(warnings: list[LintWarning], checks: Checks) -> list[LintWarning]:
    """Leave out what a Dockerfile does not want to hear, and what is said twice; sorted by line."""
    kept = {each: None for each in warnings if checks.wants(RULES[each.rule])}
    return sorted(kept, key=lambda each: each.line)


def refuse(warnings: Sequence[LintWarning], checks: Checks) -> None:
    """End the build where the Dockerfile says that a finding is an error.

    Raises: InvalidInput.
    """
    if warnings and checks.are_errors:
        rules = ", ".join(dict.fromkeys(each.rule for each in warnings))
        raise InvalidInput(f"lint violation found for rules: {rules}", "`build --check` shows the lines")
