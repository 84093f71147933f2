"""Go templates, as much of them as `--format` needs.

    {{.Name}}  {{json .State}}  {{range .Mounts}}{{.Source}} {{end}}  {{if .Running}}up{{else}}down{{end}}
    {{index .Config.Labels "tier"}}  {{join .Args " "}}  {{.Name | lower}}
    {{range $i, $each := .Args}}{{$i}}={{$each}} {{end}}  {{printf "%-9s" (index .Mounts 0).Source}}

Source: https://pkg.go.dev/text/template; https://docs.docker.com/go/formatting/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from containerlab.errors import InvalidInput
from containerlab.views.expression import Expression, Scope, compile_expression, written

__all__ = ["Template", "render"]

_ACTION = re.compile(
    r"(\s*\{\{-(?=\s)|\{\{)"
    r'\s*(/\*.*?\*/|(?:"(?:[^"\\]|\\.)*"|`[^`]*`|(?!\s*(?<=\s)-\}\}|\}\}).)*?)\s*'
    r"((?<=\s)-\}\}\s*|\}\})",
    re.DOTALL,
)
_ESCAPES = {"\\t": "\t", "\\n": "\n"}
_LOOP = re.compile(r"\s*(\$\w+)\s*(?:,\s*(\$\w+)\s*)?:=(.*)", re.DOTALL)
_Node = Callable[[Scope], str]


def render(template: str, data: Any) -> str:
    """Fill a template with a document; backslash t and n mean tab and new line, as on a command line.

    >>> render("{{len .Args}} {{if .Up}}up{{else}}down{{end}}", {"Args": [1], "Up": 0})
    '1 down'

    Raises: InvalidInput, with the nearest field.
    """
    return Template(template).render(data)


class Template:
    """A template that has been read, for several documents.

    Raises: InvalidInput when it cannot be read.
    """

    def __init__(self, text: str) -> None:
        try:
            nodes, end, rest = _block(_pieces(text))
        except RecursionError as error:
            raise InvalidInput("--format: nested too deeply", "write a simpler template") from error
        if end or rest:
            raise InvalidInput(f"--format: {{{{{end}}}}} without a beginning")
        self._node = _sequence(nodes)

    def render(self, data: Any) -> str:
        """Fill it with a document. Raises: InvalidInput."""
        return self._node(Scope(data, data, {}))


class _Piece(NamedTuple):
    is_action: bool
    content: str

    @property
    def word(self) -> str:
        """The keyword that an action begins with."""
        words = self.content.split(None, 1) if self.is_action else []
        return words[0] if words else ""

    @property
    def rest(self) -> str:
        return self.content[len(self.word) :]


def _pieces(template: str) -> list[_Piece]:
    found: list[_Piece] = []
    position = 0
    for match in _ACTION.finditer(template):
        found += [_text(template[position : match.start()]), _Piece(True, match[2])]
        position = match.end()
    if "{{" in template[position:]:
        raise InvalidInput(f"--format: no }}}} after {template[position:]!r}")
    return [*found, _text(template[position:])]


def _text(content: str) -> _Piece:
    return _Piece(False, re.sub(r"\\[tn]", lambda match: _ESCAPES[match[0]], content))


def _block(pieces: Sequence[_Piece]) -> tuple[list[_Node], str, Sequence[_Piece]]:
    """Read up to the `end` or `else` that closes this block; return it, and what is left after it."""
    nodes: list[_Node] = []
    while pieces:
        piece, *pieces = pieces
        if piece.word in ("end", "else"):
            return nodes, piece.content, pieces
        if piece.word in _BRANCHES:
            node, pieces = _branch(piece.word, piece.rest, pieces)
            nodes.append(node)
        elif not piece.is_action:
            nodes.append(lambda _, text=piece.content: text)  # type: ignore[misc]  # bound at once
        elif not piece.content.startswith("/*"):
            nodes.append(_shown(compile_expression(piece.content)))
    return nodes, "", ()


def _shown(expression: Expression) -> _Node:
    return lambda scope: written(expression(scope))


def _sequence(nodes: Iterable[_Node]) -> _Node:
    kept = tuple(nodes)
    return lambda scope: "".join([node(scope) for node in kept])


def _branch(word: str, expression: str, pieces: Sequence[_Piece]) -> tuple[_Node, Sequence[_Piece]]:
    nodes, end, rest = _block(pieces)
    other, rest = _otherwise(word, end, rest)
    return _BRANCHES[word](expression, _sequence(nodes), other), rest


def _otherwise(word: str, end: str, pieces: Sequence[_Piece]) -> tuple[_Node, Sequence[_Piece]]:
    """Read what follows the first part of a branch: nothing, `else`, or `else if` and the like."""
    again = _Piece(True, end.removeprefix("else").strip())
    if end.startswith("else") and again.word in _BRANCHES:
        return _branch(again.word, again.rest, pieces)
    others: list[_Node] = []
    if end == "else":
        others, end, pieces = _block(pieces)
    if end != "end":
        raise InvalidInput(f"--format: {{{{{word}}}}} without {{{{end}}}}")
    return _sequence(others), pieces


def _if(expression: str, body: _Node, other: _Node) -> _Node:
    condition = compile_expression(expression)
    return lambda scope: body(scope) if condition(scope) else other(scope)


def _with(expression: str, body: _Node, other: _Node) -> _Node:
    value_of = compile_expression(expression)

    def run(scope: Scope) -> str:
        value = value_of(scope)
        return body(scope._replace(dot=value)) if value else other(scope)

    return run


def _range(expression: str, body: _Node, other: _Node) -> _Node:
    names = _LOOP.fullmatch(expression)
    value_of = compile_expression(names[3] if names else expression)

    def run(scope: Scope) -> str:
        texts = []
        for key, item in _items(value_of(scope)):
            if names:
                scope.variables.update({names[1]: key, names[2]: item} if names[2] else {names[1]: item})
            texts.append(body(scope._replace(dot=item)))
        return "".join(texts) if texts else other(scope)

    return run


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if value is not None and not isinstance(value, (list, tuple)):
        raise InvalidInput(f"--format: range cannot go through {value!r}", "it takes a list or a map")
    return list(enumerate(value or ()))


_BRANCHES = {"if": _if, "with": _with, "range": _range}
