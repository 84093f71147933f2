"""The rules that need to know what variables hold: a run through all stages, without building anything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from containerlab.build import platforms
from containerlab.build.checks.ignored import IgnoredSources
from containerlab.build.checks.rules import Reporter
from containerlab.build.language import run_mounts
from containerlab.build.language.expand import expand, expand_document, expand_words
from containerlab.build.language.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from containerlab.build.record import LintWarning
from containerlab.errors import InvalidInput, nearest
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference

__all__ = ["BaseImage", "Known", "Variables"]

_Findings = Iterator[LintWarning]
_MOST_COMPARED = 200
_MOST_SUGGESTIONS = 100
_NOT_VARIABLES = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")


class BaseImage(NamedTuple):
    """What is known of an image that a stage begins with."""

    environment: Mapping[str, str]
    has_shell: bool = False
    """Whether its configuration names a shell."""
    platform: Platform | None = None


class Known(NamedTuple):
    """What is known beside the text of a Dockerfile."""

    build_args: Mapping[str, str] = {}
    base_image: Callable[[str, Platform], BaseImage | None] = lambda name, platform: None
    """What is known of an image that a stage begins with, by its name and the platform that is wanted."""
    ignore: Sequence[str] = ()
    """The patterns of the .dockerignore, as `ignore.read` returns them."""
    platform: Platform | None = None
    """What is built for; None for this machine's."""


class _Scope:
    """What is set at a place in a stage; a stage that begins with another takes its last one over."""

    def __init__(self, base: BaseImage | None) -> None:
        self.environment = {"PATH": "", **(base.environment if base else {})}
        self.declared: set[str] = set()
        self.is_known = base is not None
        self.has_shell = bool(base and base.has_shell)
        self.has_workdir = False

    def copy(self) -> _Scope:
        other = _Scope(None)
        other.__dict__.update(self.__dict__)
        other.environment, other.declared = dict(self.environment), set(self.declared)
        return other


class _Names:
    """Names in the order in which they are met, each once."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self.names[name] = None


class Variables:
    """One run through a Dockerfile."""

    def __init__(self, report: Reporter, known: Known) -> None:
        self._report = report
        self._dockerfile = report.dockerfile
        self._known = known
        self._build_args = known.build_args
        self._platform = known.platform or Platform.host()
        self._ignored = IgnoredSources(known.ignore)
        self._suggestions_left = _MOST_SUGGESTIONS
        self._scopes: dict[str, _Scope] = {}

    def findings(self) -> _Findings:
        """Yield what is found; a stage ends where an expansion fails, which its build will tell."""
        defaults, _ = self._globals({})
        global_args, declared = self._globals(self._build_args)
        for stage in self._dockerfile.stages:
            yield from self._about_default(stage.from_, defaults)
            yield from self._about_from(stage.from_, global_args, declared)
        for stage in self._dockerfile.stages:
            try:
                yield from self._about_stage(stage, global_args)
            except InvalidInput:
                continue

    def _suggestion(self, name: str, known: Iterable[str], prefix: str) -> str:
        """Name the nearest that is known; only so often, since looking for it takes its time."""
        self._suggestions_left -= 1
        if self._suggestions_left < 0:
            return ""
        others = itertools.islice((other for other in known if other != name), _MOST_COMPARED)
        hint = nearest(name, others)
        return f" (did you mean {prefix}{hint.removeprefix('did you mean ')})" if hint else ""

    def _globals(self, build_args: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
        values = {
            **platforms.arguments("BUILD", Platform.host()),
            **platforms.arguments("TARGET", self._platform),
            "TARGETSTAGE": self._dockerfile.stages[-1].name,
        }
        values = {name: build_args.get(name, value) for name, value in values.items()}
        declared: set[str] = set()
        for arg in self._dockerfile.global_args:
            for name, default in arg.pairs:
                declared.add(name)
                value = build_args.get(name, default)
                if name not in build_args and default is not None:
                    value = self._expanded(default, values)
                if value is not None:
                    values[name] = value
        return values, declared | set(values)

    def _expanded(self, text: str, values: Mapping[str, str]) -> str:
        try:
            return expand(text, values, self._dockerfile.escape)
        except InvalidInput:
            return ""

    def _about_default(self, from_: From, defaults: Mapping[str, str]) -> _Findings:
        try:
            Reference.parse(expand(from_.image, defaults, self._dockerfile.escape))
        except InvalidInput:
            yield self._report.warning("InvalidDefaultArgInFrom", from_.place, image=from_.image)

    def _about_from(self, from_: From, values: Mapping[str, str], declared: set[str]) -> _Findings:
        missing, found = _Names(), _Names()
        for text in (from_.image, from_.platform):
            found = _Names()
            try:
                result = expand(text, values, self._dockerfile.escape, missing.add, found.add)
            except InvalidInput:
                return
        for name in missing.names:
            if name not in declared:
                suggestion = self._suggestion(name, sorted(declared), "")
                place = from_.place
                yield self._report.warning("UndefinedArgInFrom", place, name=name, suggestion=suggestion)
        if from_.platform:
            yield from self._about_platform(from_, result, values, [*found.names], not missing.names)

    def _about_platform(
        self, from_: From, platform: str, values: Mapping[str, str], found: list[str], is_complete: bool
    ) -> _Findings:
        if found == ["TARGETPLATFORM"] and is_complete and platform == values["TARGETPLATFORM"]:
            place = from_.place
            yield self._report.warning("RedundantTargetPlatform", place, variable=from_.platform)
        if found or not is_complete:
            return
        try:
            parsed = Platform.parse(platform)
        except InvalidInput:
            return
        name = from_.name.lower()
        if parsed.os not in name and parsed.architecture not in name:
            place = from_.place
            yield self._report.warning("FromPlatformFlagConstDisallowed", place, platform=platform)

    def _about_stage(self, stage: Stage, global_args: Mapping[str, str]) -> _Findings:
        scope = yield from self._begin(stage.from_, global_args)
        for name in (stage.name, str(stage.index)):
            self._scopes[name] = scope
        for each in stage.instructions:
            yield from self._about(each, scope, global_args)

    def _begin(self, from_: From, global_args: Mapping[str, str]) -> Generator[LintWarning, None, _Scope]:
        image = expand(from_.image, global_args, self._dockerfile.escape)
        if image.lower() in self._scopes:
            return self._scopes[image.lower()].copy()
        if image == "scratch":
            return _Scope(BaseImage({}))
        platform = expand(from_.platform, global_args, self._dockerfile.escape)
        expected = Platform.parse(platform) if platform else self._platform
        base = self._known.base_image(image, expected)
        actual = base.platform if base else None
        if actual and (actual.os, actual.architecture) != (expected.os, expected.architecture):
            values = {"image": image, "actual": str(actual), "expected": str(expected)}
            yield self._report.warning("InvalidBaseImagePlatform", from_.place, **values)
        return _Scope(base)

    def _about(self, each: Instruction, scope: _Scope, global_args: Mapping[str, str]) -> _Findings:
        missing = _Names()

        def expanded(text: str) -> str:
            return expand(text, scope.environment, self._dockerfile.escape, missing.add)

        if isinstance(each, Arg):
            self._declare(each, scope, global_args, missing)
        elif isinstance(each, Env):
            pairs = {expanded(name): expanded(value) for name, value in each.pairs}
            scope.environment.update({} if isinstance(each, Label) else pairs)
        elif isinstance(each, Run):
            for mount in each.mounts:
                run_mounts.parse(mount, expanded)
        elif isinstance(each, Workdir):
            yield from self._about_workdir(each, scope, expanded(each.path), missing)
        elif isinstance(each, Expose):
            yield from self._about_ports(each, scope.environment)
        elif isinstance(each, Shell):
            scope.has_shell = True
        elif isinstance(each, (Cmd, Entrypoint)):
            yield from self._about_command(each, scope)
        elif isinstance(each, Copy):
            yield from self._about_sources(each, [expanded(source) for source in each.sources])
            for text in _texts(each):
                expanded(text)
            for document in each.heredocs:
                if document.expands:
                    expand_document(document.content, scope.environment, missing.add)
        else:
            for text in _texts(each):
                expanded(text)
        for name in missing.names if scope.is_known else ():
            if (name not in scope.declared or isinstance(each, Arg)) and name not in _NOT_VARIABLES:
                values = {"name": name, "suggestion": self._suggestion(name, scope.environment, "$")}
                yield self._report.warning("UndefinedVar", each.place, **values)

    def _declare(self, arg: Arg, scope: _Scope, global_args: Mapping[str, str], missing: _Names) -> None:
        for name, default in arg.pairs:
            value = self._build_args.get(name)
            if value is None and default is not None:
                unset = _Names()
                value = expand(default, scope.environment, self._dockerfile.escape, unset.add)
                missing.names.update({each: None for each in unset.names if each not in scope.declared})
            elif value is None:
                value = global_args.get(name)
            if value is not None and name not in _NOT_VARIABLES:
                scope.environment[name] = value
            scope.declared.add(name)

    def _about_sources(self, each: Copy, sources: Iterable[str]) -> _Findings:
        command = "Add" if isinstance(each, Add) else "Copy"
        for source in sources if not each.from_ else ():
            path = self._ignored.path_of(source)
            if path:
                yield self._report.warning("CopyIgnoredFile", each.place, command=command, path=path)

    def _about_workdir(self, each: Workdir, scope: _Scope, path: str, missing: _Names) -> _Findings:
        is_unsure = bool(missing.names) and not scope.is_known
        if not scope.has_workdir and not path.startswith("/") and not is_unsure:
            yield self._report.warning("WorkdirRelativePath", each.place, path=path)
        scope.has_workdir = True

    def _about_ports(self, each: Expose, values: Mapping[str, str]) -> _Findings:
        for text in each.ports:
            for port in expand_words(text, values, self._dockerfile.escape):
                protocol = port.rpartition(":")[2].partition("/")[2]
                if protocol != protocol.lower():
                    yield self._report.warning("ExposeProtoCasing", each.place, port=port)
                if port.rpartition(":")[0].strip(":"):
                    yield self._report.warning("ExposeInvalidFormat", each.place, port=port)

    def _about_command(self, each: Cmd | Entrypoint, scope: _Scope) -> _Findings:
        if each.command.is_shell and not scope.has_shell:
            yield self._report.warning("JSONArgsRecommended", each.place, command=each.keyword)


def _texts(each: Instruction) -> tuple[str, ...]:
    """What of an instruction is expanded, where that is all there is to say about it."""
    if isinstance(each, Copy):
        return (each.destination, each.chown, each.chmod, each.checksum if isinstance(each, Add) else "")
    if isinstance(each, User):
        return (each.user,)
    if isinstance(each, Volume):
        return each.paths
    return (each.signal,) if isinstance(each, StopSignal) else ()
