"""One line becomes one typed instruction; each parser says which flags and how many words there may be.

Source: Dockerfile reference; BuildKit's frontend/dockerfile/instructions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypedDict

from containerlab.build.language import flags, heredocs, run_mounts
from containerlab.build.language.durations import nanoseconds
from containerlab.build.language.flags import SWITCH, TEXT, TEXTS, Flags
from containerlab.build.language.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    HealthTest,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Place,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from containerlab.build.language.lines import Line
from containerlab.build.language.words import (
    SPACES,
    json_strings,
    part,
    quoted_words,
    spaced_words,
    two_parts,
)
from containerlab.errors import InvalidInput, nearest

__all__ = ["Unknown", "read"]

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*", re.ASCII)
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")
_LEAST_NS = 1_000_000
_MOST_RETRIES = 2**31 - 1


class Unknown(InvalidInput):
    """There is no such instruction."""


class _Head(TypedDict):
    place: Place
    text: str
    keyword: str


class _Request(NamedTuple):
    line: Line
    escape: str

    @property
    def rest(self) -> str:
        return self.line.statement.rest

    @property
    def head(self) -> _Head:
        keyword = self.line.statement.keyword
        return _Head(place=self.line.place, text=self.line.text.strip(SPACES), keyword=keyword)

    def flags(self, **known: str) -> Flags:
        return flags.read(
            self.line.statement.flags, {name.replace("_", "-"): kind for name, kind in known.items()}
        )


def read(line: Line, escape: str) -> Instruction:
    """Understand one line.

    Raises: Unknown for an unknown instruction; InvalidInput for a wrong flag, too few or too many words.
    """
    keyword = line.statement.keyword
    parser = _PARSERS.get(keyword.lower())
    if parser is None:
        hint = nearest(keyword.upper(), [known.upper() for known in _PARSERS])
        raise Unknown(f"unknown instruction: {keyword[:80] or repr(keyword)}", hint)
    return parser(_Request(line, escape))


def _from(request: _Request) -> From:
    words = spaced_words(request.rest)
    has_name = len(words) == 3 and words[1].lower() == "as"
    if not has_name and len(words) != 1:
        raise InvalidInput("it takes one word or three", "write FROM image, or FROM image AS name")
    if has_name and not _STAGE_NAME.fullmatch(words[2].lower()):
        hint = "begin with a letter; letters, digits, - _ and . may follow"
        raise InvalidInput(f"invalid name for build stage: {words[2]!r}", hint)
    _, name_keyword, name = words if has_name else (*words, "", "")
    platform = request.flags(platform=TEXT).text("platform")
    return From(**request.head, image=words[0], platform=platform, name=name, name_keyword=name_keyword)


def _arg(request: _Request) -> Arg:
    request.flags()
    pairs: list[tuple[str, str | None]] = []
    for word in quoted_words(_needed(request), request.escape):
        name, equals, value = word.partition("=")
        if not name:
            raise InvalidInput("a name is missing before =")
        pairs.append((name, value if equals else None))
    return Arg(**request.head, pairs=tuple(pairs))


def _env(request: _Request) -> Env:
    request.flags()
    pairs, is_legacy = _pairs(request)
    return Env(**request.head, pairs=pairs, is_legacy=is_legacy)


def _label(request: _Request) -> Label:
    request.flags()
    pairs, is_legacy = _pairs(request)
    return Label(**request.head, pairs=pairs, is_legacy=is_legacy)


def _pairs(request: _Request) -> tuple[tuple[tuple[str, str], ...], bool]:
    words = quoted_words(_needed(request), request.escape)
    if not words or "=" not in words[0]:
        parts = two_parts(request.rest)
        if len(parts) < 2:
            raise InvalidInput("it needs a name and a value", "write name=value")
        return ((parts[0], parts[1]),), True
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(
                f"there is no = in {word[:80]!r}", "write name=value, a value with spaces in quotes"
            )
        if not name:
            raise InvalidInput("a name is missing before =")
        pairs.append((name, value))
    return tuple(pairs), False


def _run(request: _Request) -> Run:
    given = request.flags(mount=TEXTS, network=TEXT, security=TEXT, device=TEXTS)
    command = _command(request, request.rest)
    if not command.words:
        raise InvalidInput("there is nothing to execute in []")
    for value in given.texts("mount"):
        run_mounts.check(value)
    for value in given.texts("device"):
        run_mounts.device(value)
    return Run(
        **request.head,
        command=command,
        mounts=given.texts("mount"),
        network=_one_of("network mode", given.text("network", "default"), _NETWORKS),
        security=_one_of("security", given.text("security", "sandbox"), _SECURITIES),
        devices=given.texts("device"),
    )


def _one_of(kind: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidInput(f"invalid {kind} {value!r}", nearest(value, known) or f"one of {', '.join(known)}")
    return value


def _command(request: _Request, text: str) -> Command:
    words = json_strings(text)
    if words is None:
        return Command(words=(text,), is_shell=True, heredocs=request.line.heredocs)
    return Command(words=tuple(words), is_shell=False)


def _cmd(request: _Request) -> Cmd:
    request.flags()
    return Cmd(**request.head, command=_command(request, request.rest))


def _entrypoint(request: _Request) -> Entrypoint:
    request.flags()
    return Entrypoint(**request.head, command=_command(request, request.rest))


def _copy(request: _Request) -> Copy:
    given = request.flags(
        **{"from": TEXT}, chown=TEXT, chmod=TEXT, link=SWITCH, parents=SWITCH, exclude=TEXTS
    )
    sources, documents, destination = _sources(request)
    from_ = given.text("from")
    if "$" in from_[:-1]:
        raise InvalidInput(
            "--from doesn't support variable expansion", "define an alias stage: FROM ${image} AS name"
        )
    return Copy(
        **request.head,
        sources=sources,
        destination=destination,
        heredocs=documents,
        from_=from_,
        chown=given.text("chown"),
        chmod=given.text("chmod"),
        is_link=given.is_on("link"),
        keeps_parents=given.is_on("parents"),
        excludes=given.texts("exclude"),
    )


def _add(request: _Request) -> Add:
    given = request.flags(
        chown=TEXT, chmod=TEXT, link=SWITCH, exclude=TEXTS, checksum=TEXT, keep_git_dir=SWITCH, unpack=SWITCH
    )
    sources, documents, destination = _sources(request)
    return Add(
        **request.head,
        sources=sources,
        destination=destination,
        heredocs=documents,
        chown=given.text("chown"),
        chmod=given.text("chmod"),
        is_link=given.is_on("link"),
        excludes=given.texts("exclude"),
        checksum=given.text("checksum"),
        keeps_git_dir=given.switch("keep-git-dir"),
        unpacks=given.switch("unpack"),
    )


def _sources(request: _Request) -> tuple[tuple[str, ...], tuple[Heredoc, ...], str]:
    """Part the words into sources, documents and destination."""
    words = _words(request)
    if len(words) < 2:
        raise InvalidInput("it requires at least two arguments: one source or more, then the destination")
    *sources, destination = words
    if heredocs.mark(destination):
        raise InvalidInput("it cannot accept a heredoc as a destination")
    written = {document.name: document.source for document in request.line.heredocs}
    paths: list[str] = []
    # The same document twice is the same file twice: of many, one is enough.
    documents: dict[tuple[object, ...], Heredoc] = {}
    for source in sources:
        found = heredocs.mark(source)
        if found is None:
            paths.append(source)
        elif found[:-1] not in documents:
            documents[found[:-1]] = heredocs.document(found, written.get(found.name, ""))
    return tuple(paths), tuple(documents.values()), destination


def _words(request: _Request) -> list[str]:
    words = json_strings(request.rest)
    return spaced_words(request.rest) if words is None else words


def _workdir(request: _Request) -> Workdir:
    request.flags()
    return Workdir(**request.head, path=_needed(request))


def _user(request: _Request) -> User:
    request.flags()
    return User(**request.head, user=_needed(request))


def _stopsignal(request: _Request) -> StopSignal:
    request.flags()
    return StopSignal(**request.head, signal=_needed(request))


def _maintainer(request: _Request) -> Maintainer:
    request.flags()
    return Maintainer(**request.head, name=_needed(request))


def _needed(request: _Request) -> str:
    if not request.rest:
        raise InvalidInput("it requires an argument")
    return request.rest


def _expose(request: _Request) -> Expose:
    request.flags()
    return Expose(**request.head, ports=tuple(sorted(spaced_words(_needed(request)))))


def _volume(request: _Request) -> Volume:
    request.flags()
    paths = [path.strip(SPACES) for path in _words(request)]
    if not paths:
        raise InvalidInput("it requires at least one argument")
    if not all(paths):
        raise InvalidInput("a volume's path cannot be empty")
    return Volume(**request.head, paths=tuple(paths))


def _shell(request: _Request) -> Shell:
    request.flags()
    words = json_strings(_needed(request))
    if words is None:
        raise InvalidInput("it requires its arguments in JSON form", 'as in SHELL ["/bin/bash", "-c"]')
    if not words:
        raise InvalidInput("it requires at least one argument")
    return Shell(**request.head, words=tuple(words))


def _healthcheck(request: _Request) -> Healthcheck:
    kind, *rest = re.split(f"[{SPACES}]+", _needed(request), maxsplit=1)
    if kind.upper() == "NONE":
        if rest:
            raise InvalidInput("NONE takes no arguments")
        return Healthcheck(**request.head, test=None)
    given = request.flags(interval=TEXT, timeout=TEXT, start_period=TEXT, start_interval=TEXT, retries=TEXT)
    if kind.upper() != "CMD":
        raise InvalidInput(
            f"unknown type {kind.upper()!r}", nearest(kind.upper(), ("CMD", "NONE")) or "try CMD"
        )
    command = _command(request, rest[0] if rest else "")
    if command.words in ((), ("",)):
        raise InvalidInput("a command is missing after CMD")
    test = HealthTest(
        command=command,
        interval=_duration(given, "interval"),
        timeout=_duration(given, "timeout"),
        start_period=_duration(given, "start-period"),
        start_interval=_duration(given, "start-interval"),
        retries=_retries(given.text("retries")),
    )
    return Healthcheck(**request.head, test=test)


def _duration(given: Flags, name: str) -> int:
    text = given.text(name)
    duration_ns = nanoseconds(text) if text else 0
    if duration_ns and duration_ns < _LEAST_NS:
        raise InvalidInput(f"--{name} cannot be less than 1ms")
    return duration_ns


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", text) or int(text) > _MOST_RETRIES:
        raise InvalidInput(f"--retries is no number: {text[:80]!r}")
    if int(text) < 0:
        raise InvalidInput(f"--retries cannot be negative ({int(text)})")
    return int(text)


_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE | re.ASCII)


def _onbuild(request: _Request) -> Onbuild:
    trigger_keyword = part(_needed(request), request.escape).keyword.upper()
    if trigger_keyword == "ONBUILD":
        raise InvalidInput("ONBUILD ONBUILD isn't allowed")
    if trigger_keyword in ("FROM", "MAINTAINER"):
        raise InvalidInput(f"{trigger_keyword} isn't allowed as a trigger")
    request.flags()
    line = request.line
    documents = (f"\n{document.source}{document.name}" for document in line.heredocs)
    trigger = "".join([_ONBUILD.sub("", line.text, count=1), *documents])
    # BuildKit looks at a trigger only when it fires; one that never can is worth an error now.
    statement = part(line.statement.rest, request.escape)
    read(line._replace(statement=statement), request.escape)
    return Onbuild(**request.head, trigger=trigger)


_PARSERS: dict[str, Callable[[_Request], Instruction]] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
