"""What stands between the braces of a Go template: pipelines of fields, literals, variables and functions.

Source: https://pkg.go.dev/text/template#hdr-Functions; https://docs.docker.com/go/formatting/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from containerlab.errors import InvalidInput, nearest

__all__ = ["Expression", "Lookup", "Scope", "compile_expression", "written"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|:=|[()|,=]|\s+|[^\s()|"`,=:]+|.', re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_PATH = re.compile(r"(\$\w*)?(\.\w+(\.\w+)*|\.)?")
_BEFORE_OPERAND = ("(", "|", "", "=", ":=")


class Lookup:
    """A field that takes a key: `{{.Label "tier"}}`; a key that is not there gives nothing."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values


class Scope(NamedTuple):
    """What a template sees: the document, the part of it that `.` means, and variables."""

    root: Any
    dot: Any
    variables: dict[str, Any]


Expression = Callable[[Scope], Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compile_expression(text: str) -> Expression:
    """Turn a pipeline into a function of what it sees.

    >>> compile_expression('.Name | upper')(Scope(None, {"Name": "web"}, {}))
    'WEB'

    Raises: InvalidInput.
    """
    reader = _Reader(_TOKEN.findall(text))
    expression = reader.pipeline()
    if reader.next:
        raise InvalidInput(f"--format: cannot read {reader.next!r} in {text!r}")
    return expression


class _Reader:
    """Reads tokens from left to right; each method reads one thing and returns its function."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._skip_space()

    @property
    def next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self) -> str:
        token = self.next
        self._place += 1
        return token

    def _skip_space(self) -> None:
        while self.next.isspace():
            self._place += 1

    def pipeline(self) -> Expression:
        """Read `$name := `, if there, and commands between bars: the value of each is the next one's last."""
        name = self._assigned()
        value = self._command(None)
        while self.next == "|":
            self._take()
            value = self._command(value)
        return _assignment(name, value) if name else value

    def _assigned(self) -> str:
        match = re.match(r"\s*(\$\w+)\s*:?=", "".join(self._tokens[self._place :]))
        if not match:
            return ""
        while self.next not in ("=", ":="):
            self._take()
        self._take()
        return match[1]

    def _command(self, piped: Expression | None) -> Expression:
        self._skip_space()
        word = self.next
        if word in ("", ")", "|"):
            raise InvalidInput("--format: nothing between {{ and }}")
        if word in _FUNCTIONS:
            self._take()
            return _application(word, self._operands(), piped)
        operands = self._operands()
        if len(operands) == 2 and word.startswith(".") and not piped:
            return _lookup(word, *operands)
        if piped or len(operands) > 1:
            raise InvalidInput(f"--format: no such function: {word}", nearest(word, _FUNCTIONS))
        return operands[0]

    def _operands(self) -> list[Expression]:
        found = []
        self._skip_space()
        while self.next not in ("", ")", "|"):
            found.append(self._operand())
            self._skip_space()
        return found

    def _operand(self) -> Expression:
        token = self._take()
        if token != "(":
            return _literal(token)
        inner = self.pipeline()
        if self._take() != ")":
            raise InvalidInput("--format: a ( without its )")
        if not self.next.startswith("."):
            return inner
        path = self._take()[1:]
        return lambda scope: _field(path, inner(scope))


def _assignment(name: str, value: Expression) -> Expression:
    def assign(scope: Scope) -> str:
        scope.variables[name] = value(scope)
        return ""

    return assign


def _application(name: str, operands: Sequence[Expression], piped: Expression | None) -> Expression:
    def apply(scope: Scope) -> Any:
        values = [operand(scope) for operand in (*operands, *([piped] if piped else []))]
        try:
            return _FUNCTIONS[name](*values)
        except (TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
            raise InvalidInput(f"--format: cannot use {name} here: {error}") from error

    return apply


def _lookup(word: str, field: Expression, key: Expression) -> Expression:
    def look(scope: Scope) -> Any:
        found = field(scope)
        if not isinstance(found, Lookup):
            raise InvalidInput(f"--format: {word} takes no key", "write {{index .Field key}}")
        return found.values.get(written(key(scope)), "")

    return look


def _literal(token: str) -> Expression:
    if token[0] == "`" or token[0] == '"':
        text = _unquoted(token)
        return lambda scope: text
    if _NUMBER.fullmatch(token):
        number = float(token) if "." in token else int(token)
        return lambda scope: number
    if token in ("true", "false", "nil"):
        value = {"true": True, "false": False, "nil": None}[token]
        return lambda scope: value
    if token in _FUNCTIONS:
        return _application(token, (), None)
    path = _PATH.fullmatch(token)
    if not path:
        hint = nearest(token, _FUNCTIONS) or "fields begin with a dot"
        raise InvalidInput(f"--format: cannot read {token!r}", hint)
    return _reference(path[1] or "", (path[2] or ".")[1:])


def _unquoted(token: str) -> str:
    if token[0] == "`":
        return token[1:-1]
    try:
        return str(json.loads(token, strict=False))
    except ValueError as error:
        raise InvalidInput(f"--format: cannot read {token}", "a text stands between two quotes") from error


def _reference(variable: str, path: str) -> Expression:
    def look(scope: Scope) -> Any:
        if variable in ("", "$"):
            return _field(path, scope.root if variable else scope.dot)
        if variable not in scope.variables:
            raise InvalidInput(f"--format: no such variable: {variable}", f"write {variable} := before")
        return _field(path, scope.variables[variable])

    return look


def _field(path: str, data: Any) -> Any:
    for name in path.split(".") if path else ():
        if not isinstance(data, Mapping):
            return None
        if name not in data:
            raise InvalidInput(
                f"--format: no such field: .{name}", nearest(name, data) or f"one of {', '.join(data)}"
            )
        data = data[name]
    return data


def written(value: Any) -> str:
    """Write a value as Go's fmt does."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{written(item)}' for key, item in value.items())}]"
    return f"[{' '.join(map(written, value))}]" if isinstance(value, (list, tuple)) else str(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _printf(pattern: str, *values: Any) -> str:
    """Write values into %s, %d, %v, %q, %5.2f, …"""
    words = iter(values)

    def fill(match: re.Match[str]) -> str:
        flags, verb = match[1], match[2]
        if verb == "%":
            return "%"
        value = next(words, "")
        if verb in "vsq":
            text = written(value)
            return f"%{flags}s" % (json.dumps(text, ensure_ascii=False) if verb == "q" else text)
        return f"%{flags}{verb}" % value

    # A width of more digits than anybody needs would fill the memory.
    return re.sub(r"%([-+0 #]*\d{0,3}(?:\.\d{0,3})?)([a-zA-Z%])", fill, pattern)


def _pad(value: Any, before: int, after: int) -> str:
    text = written(value)
    return " " * min(before, 1000) + text + " " * min(after, 1000) if text else text


def _all(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _any(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


def _json(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if not isinstance(item, Lookup)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda _: None)


def _escaped(value: Any) -> str:
    import html

    return html.escape(written(value))


def _quoted(value: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(written(value))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "upper": lambda value: written(value).upper(),
    "lower": lambda value: written(value).lower(),
    "title": lambda value: written(value).title(),
    "len": lambda value: 0 if value is None else len(value),
    "join": lambda values, separator: separator.join(map(written, values or ())),
    "split": lambda value, separator: written(value).split(separator) if separator else list(written(value)),
    "truncate": lambda value, length: written(value)[: max(length, 0)],
    "pad": _pad,
    "index": _index,
    "slice": lambda value, *limits: value[slice(*limits)] if limits else value,
    "print": lambda *values: "".join(map(written, values)),
    "println": lambda *values: " ".join(map(written, values)) + "\n",
    "printf": _printf,
    "html": _escaped,
    "urlquery": _quoted,
    "and": _all,
    "or": _any,
    "not": lambda value: not value,
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
}
