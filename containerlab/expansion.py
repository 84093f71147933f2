"""Words of a magic: split as a shell does, with `{expr}` replaced by values of the notebook.

    %container run -v {folder}:/data lab/base cat {names}

An expression is expanded inside its word, after splitting: a value with spaces stays one word, a list that is
a whole word becomes several. Single quotes protect; so do doubled braces ({{.ID}}) and a dollar (${HOME}).
IPython's own expansion is not used: one bad name turns it off for the whole line, silently.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from containerlab.errors import InvalidInput, nearest

__all__ = ["expand", "split"]


class Piece(NamedTuple):
    """A part of a word: text as it is, or an expression."""

    text: str
    is_expression: bool = False


def expand(line: str, names: Mapping[str, Any]) -> list[str]:
    """Return the words of a line.

    >>> expand("run {image} echo 'a b' {many} x{n}", {"image": "lab/base", "many": [1, 2], "n": 3})
    ['run', 'lab/base', 'echo', 'a b', '1', '2', 'x3']

    Raises: InvalidInput for a name that is not there, an expression that fails, a quote that does not end.
    """
    return [word for pieces in split(line) for word in _words(pieces, names)]


def split(line: str) -> list[list[Piece]]:
    """Return words as pieces."""
    words: list[list[Piece]] = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        pieces, position = _word(line, position)
        words.append(pieces)
    return words


def _word(line: str, position: int) -> tuple[list[Piece], int]:
    """Read one word; its pieces keep their order."""
    pieces: list[Piece] = []
    text = ""
    quote = ""
    while position < len(line) and (quote or not line[position].isspace()):
        character = line[position]
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "\\" and quote != "'" and position + 1 < len(line):
            text += _unescaped(line[position + 1], quote)
            position += 1
        elif character == "{" and quote != "'":
            end, is_expression = _braces(line, position)
            if is_expression:
                pieces += [Piece(text), Piece(line[position + 1 : end - 1], True)]
                text = ""
            else:
                text += line[position:end]
            position = end
            continue
        else:
            text += character
        position += 1
    if quote:
        raise InvalidInput(f"the quote {quote} does not end", "close it, or write a backslash before it")
    return [*pieces, Piece(text)], position


def _unescaped(character: str, quote: str) -> str:
    """Within double quotes a backslash stays unless it protects something, as in a shell."""
    return character if not quote or character in '"\\{' else f"\\{character}"


def _braces(line: str, start: int) -> tuple[int, bool]:
    """Return where braces end and whether they hold an expression."""
    if line.startswith("{{", start):
        end = line.find("}}", start)
        return (end + 2 if end > 0 else len(line)), False
    depth = 0
    for position in range(start, len(line)):
        depth += (line[position] == "{") - (line[position] == "}")
        if depth == 0:
            is_shell = start > 0 and line[start - 1] == "$"
            content = line[start + 1 : position].strip()
            return position + 1, bool(content) and not is_shell
    return start + 1, False


def _words(pieces: list[Piece], names: Mapping[str, Any]) -> list[str]:
    filled = [piece for piece in pieces if piece.text or piece.is_expression]
    if len(filled) == 1 and filled[0].is_expression:
        return _values(_evaluate(filled[0].text, names))
    return ["".join(_single(piece, names) if piece.is_expression else piece.text for piece in pieces)]


def _single(piece: Piece, names: Mapping[str, Any]) -> str:
    values = _values(_evaluate(piece.text, names))
    if len(values) != 1:
        raise InvalidInput(f"{{{piece.text}}} is {len(values)} values within one word", "let it stand alone")
    return values[0]


def _values(value: Any) -> list[str]:
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [text for item in value for text in _values(item)]
    if isinstance(value, os.PathLike):
        return [os.fspath(value)]
    return [str(getattr(value, "id", value))] if not isinstance(value, str) else [value]


def _evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    try:
        return eval(expression.strip(), {}, _Scope(names))  # the user's own code, as in any cell
    except NameError as error:
        raise InvalidInput(f"{{{expression}}}: {error}", nearest(str(error.name), names)) from None
    except SyntaxError:
        raise InvalidInput(
            f"{{{expression}}} is no Python expression", "single quotes or {{ }} keep braces as they are"
        ) from None
    except Exception as error:
        raise InvalidInput(f"{{{expression}}}: {type(error).__name__}: {error}") from error


class _Scope(dict[str, Any]):
    """Names of the notebook for `eval`, which wants comprehensions to see them too."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(names)
