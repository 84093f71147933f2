"""Go templates, as much of them as `--format` needs.

    {{.Name}}  {{json .State}}  {{range .Mounts}}{{.Source}} {{end}}  {{if .Running}}up{{else}}down{{end}}
    {{index .Config.Labels "tier"}}  {{join .Args " "}}  {{len .Mounts}}  {{upper .Name}}  {{.Name | lower}}

Source: https://pkg.go.dev/text/template; https://docs.docker.com/go/formatting/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from containerlab.errors import InvalidInput, nearest

__all__ = ["render"]

_ACTION = re.compile(r"(\s*\{\{-|\{\{)\s*(.*?)\s*(-\}\}\s*|\}\})", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\(|\)|\||[^\s()|"`]+')
_ESCAPES = {"\\t": "\t", "\\n": "\n", '\\"': '"', "\\\\": "\\"}


def render(template: str, data: Any) -> str:
    """Fill a template with a document; backslash t and n mean tab and new line, as on a command line.

    >>> render("{{len .Args}} {{if .Up}}up{{else}}down{{end}}", {"Args": [1], "Up": 0})
    '1 down'

    Raises: InvalidInput, with the nearest field.
    """
    pieces = _pieces(template)
    text, rest = _block(pieces, data, shown=True)
    if rest:
        raise InvalidInput(f"--format: {{{{{rest[0][1]}}}}} without a beginning")
    return text


_Piece = tuple[str, str]
"""("text", …) or ("action", what stands between the braces)."""


def _pieces(template: str) -> list[_Piece]:
    found: list[_Piece] = []
    position = 0
    for match in _ACTION.finditer(template):
        found += [("text", _unescaped(template[position : match.start()])), ("action", match[2])]
        position = match.end()
    if "{{" in template[position:]:
        raise InvalidInput(f"--format: no }}}} after {template[position:]!r}")
    return [*found, ("text", _unescaped(template[position:]))]


def _unescaped(text: str) -> str:
    return re.sub(r"\\[tn]", lambda match: _ESCAPES[match[0]], text)


def _block(pieces: list[_Piece], data: Any, shown: bool) -> tuple[str, list[_Piece]]:
    """Render up to the `end` or `else` that closes this block; return what is left from there."""
    text = ""
    while pieces:
        kind, content = pieces[0]
        word = content.split()[0] if kind == "action" and content else ""
        if word in ("end", "else"):
            return text, pieces
        pieces = pieces[1:]
        if word in ("if", "range", "with"):
            more, pieces = _branch(word, content.partition(" ")[2], pieces, data, shown)
            text += more
        elif shown:
            text += content if kind == "text" else _written(_value(content, data))
    return text, pieces


def _branch(
    word: str, expression: str, pieces: list[_Piece], data: Any, shown: bool
) -> tuple[str, list[_Piece]]:
    value = _value(expression, data) if shown else None
    items = _items(value) if word == "range" else [value if word == "with" else data] if value else []
    texts = [_block(pieces, item, shown)[0] for item in items]
    _, rest = _block(pieces, data, shown=False)
    if rest and rest[0][1] == "else":
        other, rest = _block(rest[1:], data, shown and not items)
        texts.append(other)
    if not rest:
        raise InvalidInput(f"--format: {{{{{word}}}}} without {{{{end}}}}")
    return "".join(texts), rest[1:]


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else list(value or ())


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_written(item)}' for key, item in value.items())}]"
    return f"[{' '.join(map(_written, value))}]" if isinstance(value, (list, tuple)) else str(value)


def _value(expression: str, data: Any) -> Any:
    """Evaluate a pipeline: each stage's value is the last argument of the next."""
    value: list[Any] = []
    for stage in _stages(_WORD.findall(expression)):
        value = [_call(stage, data, value)]
    if not value:
        raise InvalidInput("--format: nothing between {{ and }}")
    return value[0]


def _stages(words: list[str]) -> list[list[str]]:
    stages: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            stages.append([])
        else:
            stages[-1].append(word)
    return [stage for stage in stages if stage]


def _call(words: list[str], data: Any, piped: list[Any]) -> Any:
    name, *arguments = words
    if name in _FUNCTIONS:
        values = [_operand(word, data) for word in arguments] + piped
        try:
            return _FUNCTIONS[name](*values)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"--format: cannot use {name} here: {error}") from error
    if arguments or piped:
        raise InvalidInput(f"--format: no such function: {name}", nearest(name, _FUNCTIONS))
    return _operand(name, data)


def _operand(word: str, data: Any) -> Any:
    if word[0] in '"`':
        return json.loads(word) if word[0] == '"' else word[1:-1]
    if word.startswith("."):
        return _field(word[1:], data)
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if word in ("true", "false"):
        return word == "true"
    raise InvalidInput(
        f"--format: cannot read {word!r}", nearest(word, _FUNCTIONS) or "fields begin with a dot"
    )


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


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": lambda value: json.dumps(value, ensure_ascii=False),
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "title": lambda value: str(value).title(),
    "len": len,
    "join": lambda values, separator: separator.join(map(str, values)),
    "split": lambda value, separator: str(value).split(separator),
    "truncate": lambda value, length: str(value)[:length],
    "index": _index,
    "println": lambda *values: " ".join(map(_written, values)) + "\n",
    "print": lambda *values: "".join(map(_written, values)),
    "eq": lambda first, *others: first in others,
    "ne": lambda first, second: first != second,
    "not": lambda value: not value,
}
