"""Variables in a Dockerfile's words: `$name`, `${name}` and its modifiers, quotes and escapes.

A quarter of a shell, exactly the one that Dockerfiles have: no commands, no arithmetic, no globbing.
Source: Dockerfile reference, "Environment replacement"; BuildKit's frontend/dockerfile/shell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from containerlab.build.language.wildcards import Wildcard
from containerlab.build.language.words import SPACES
from containerlab.errors import InvalidInput

__all__ = ["expand", "expand_document", "expand_shown", "expand_words", "raw_words"]

_Told = Callable[[str], None]
_SPECIAL = "@*#?-$!0"
_DEEPEST = 50
_MOST_CHARACTERS = 16 << 20


def expand(
    text: str,
    variables: Mapping[str, str],
    escape: str = "\\",
    missing: _Told | None = None,
    found: _Told | None = None,
) -> str:
    r"""Return one word with its variables replaced, its quotes and escapes resolved.

    `missing` and `found` are told each name that is looked up, as often as it is.
    Raises: InvalidInput for a wrong substitution, an open quote, and `${name:?message}`.

    >>> expand(r"${a}-\$b-'$c'-${d:-e}", {"a": "1"})
    '1-$b-$c-e'
    """
    return "".join(piece for piece, _ in _Lexer(text, variables, escape, missing, found).pieces())


def expand_words(
    text: str,
    variables: Mapping[str, str],
    escape: str = "\\",
    missing: _Told | None = None,
    found: _Told | None = None,
) -> list[str]:
    """Return the words that are there after the replacement: unquoted spaces part them, also those of values.

    >>> expand_words("80 $more '8 8'", {"more": "1 2"})
    ['80', '1', '2', '8 8']
    """
    return _split(_Lexer(text, variables, escape, missing, found).pieces())


def expand_document(
    text: str,
    variables: Mapping[str, str],
    missing: _Told | None = None,
    found: _Told | None = None,
) -> str:
    """Return a heredoc of COPY or ADD with its variables replaced; quotes stay what they are."""
    lexer = _Lexer(text, variables, "\\", missing, found)
    lexer.quotes = ""
    return "".join(piece for piece, _ in lexer.pieces())


def expand_shown(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return an instruction for people to read: known variables replaced, the rest and the quotes kept.

    What cannot be expanded comes back as it is.
    """
    lexer = _Lexer(text, variables, escape)
    lexer.keeps_quotes = lexer.keeps_unset = True
    try:
        return "".join(piece for piece, _ in lexer.pieces())
    except InvalidInput:
        return text


def raw_words(text: str, keeps_quotes: bool, keeps_escapes: bool) -> list[str]:
    """Return the words of a line without expanding anything, as heredocs are looked for.

    Raises: InvalidInput for an open quote.
    """
    lexer = _Lexer(text, {}, "\\")
    lexer.keeps_quotes, lexer.keeps_escapes, lexer.keeps_unset = keeps_quotes, keeps_escapes, True
    return _split(lexer.pieces())


def _split(pieces: Iterator[tuple[str, bool]]) -> list[str]:
    """Part at the spaces in what is not raw; what is empty is no word, quoted or not."""
    words: list[str] = []
    word: list[str] = []
    for piece, is_raw in pieces:
        if is_raw:
            word.append(piece)
            continue
        for char in piece:
            if char not in SPACES:
                word.append(char)
            elif "".join(word):
                words.append("".join(word))
                word = []
    last = "".join(word)
    return [*words, last] if last else words


class _Lexer:
    """Reads a text once, from left to right."""

    def __init__(
        self,
        text: str,
        variables: Mapping[str, str],
        escape: str,
        missing: _Told | None = None,
        found: _Told | None = None,
    ) -> None:
        self.text = text.removeprefix("\ufeff")
        self.position = 0
        self.variables = variables
        self.escape = escape
        self.quotes = "'\""
        self.keeps_quotes = self.keeps_escapes = self.keeps_unset = False
        self._missing, self._found = missing, found
        self._depth = 0
        self._work = 0

    def pieces(self, stop: str = "") -> Iterator[tuple[str, bool]]:
        """Read until `stop` or the end: (text, whether its spaces are no ends of words)."""
        while char := self._peek():
            if char == stop:
                self.position += 1
                return
            if char == "$":
                yield self._dollar(), False
            elif char in self.quotes:
                yield self._single_quoted() if char == "'" else self._double_quoted(), True
            elif char == self.escape:
                yield self._escaped(), True
            elif char == "<":
                yield self._less(), True
            else:
                yield self._plain(stop), False
        if stop:
            raise self._wrong(f"there is no {stop} at the end of a substitution")

    def _until(self, stop: str, keeps_escapes: bool) -> str:
        before, self.keeps_escapes = self.keeps_escapes, keeps_escapes
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"substitutions are nested more than {_DEEPEST} deep")
        text = "".join(piece for piece, _ in self.pieces(stop))
        self.keeps_escapes = before
        self._depth -= 1
        return text

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _next(self) -> str:
        char = self._peek()
        self.position += 1
        return char

    def _plain(self, stop: str) -> str:
        special = ("$", "<", self.escape, *self.quotes, stop)
        begin = self.position
        while (char := self._peek()) and char not in special:
            self.position += 1
        return self.text[begin : self.position]

    def _escaped(self) -> str:
        kept = self._next() if self.keeps_escapes else self._next()[:0]
        return kept + self._next()

    def _less(self) -> str:
        """Spaces between << and the name of a document end no word."""
        begin = self.position
        self.position += 1
        if self._peek() == "<":
            self.position += 1
            while (char := self._peek()) and char in SPACES:
                self.position += 1
        return self.text[begin : self.position]

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise self._wrong("a single quote (') is not closed")
        begin, self.position = self.position, end + 1
        return self.text[begin : end + 1] if self.keeps_quotes else self.text[begin + 1 : end]

    def _double_quoted(self) -> str:
        result = [self._next() if self.keeps_quotes else self._next()[:0]]
        while char := self._peek():
            if char == "$":
                result.append(self._dollar())
                continue
            self.position += 1
            if char == '"':
                return "".join([*result, '"' if self.keeps_quotes else ""])
            if char == self.escape:
                result.append(self._escaped_in_quotes())
            else:
                result.append(char)
        raise self._wrong('a double quote (") is not closed')

    def _escaped_in_quotes(self) -> str:
        """Only quotes, dollars and the escape itself lose the escape before them."""
        kept = self.escape if self.keeps_escapes else ""
        if not self._peek():
            return kept
        return kept + (self._next() if self._peek() in ('"', "$", self.escape) else self.escape)

    def _dollar(self) -> str:
        self.position += 1
        if self._peek() == "{":
            self.position += 1
            return self._spent(self._braced())
        name = self._name()
        if not name:
            return "$"
        value = self._value(name)
        if value is None:
            return f"${name}" if self.keeps_unset else ""
        return self._spent(value)

    def _braced(self) -> str:
        if not self._peek():
            raise self._wrong("there is no } at the end of a substitution")
        if self._peek() in "{}:":
            raise self._wrong("bad substitution")
        name, modifier = self._name(), self._next()
        if modifier == "}":
            value = self._value(name)
            return value if value is not None else f"${{{name}}}" if self.keeps_unset else ""
        if modifier == "/":
            return self._replaced(name)
        if modifier == ":":
            modifier += self._next()
        if modifier in ("-", "+", "?", ":-", ":+", ":?"):
            return self._chosen(name, modifier)
        if modifier in ("#", "%"):
            return self._trimmed(name, modifier)
        if not modifier or not self._peek():
            raise self._wrong("there is no } at the end of a substitution")
        raise self._wrong(f"unsupported modifier ({modifier}) in substitution")

    def _chosen(self, name: str, modifier: str) -> str:
        word = self._until("}", keeps_escapes=False)
        value = self._value(name)
        if value is None and self.keeps_unset:
            return f"${{{name}{modifier}{word}}}"
        is_there = value is not None and (value != "" or len(modifier) == 1)
        if modifier[-1] == "+":
            return word if is_there else ""
        if is_there:
            return value or ""
        if modifier[-1] == "-":
            return word
        state = "unset" if value is None else "empty"
        raise InvalidInput(f"{name}: {word or f'is not allowed to be {state}'}")

    def _trimmed(self, name: str, modifier: str) -> str:
        word = self._until("}", keeps_escapes=True)
        value = self._value(name)
        if value is None and self.keeps_unset:
            return f"${{{name}{modifier}{word}}}"
        is_longest = word.startswith(modifier)
        pattern = self._pattern(word[1:] if is_longest else word, value or "")
        if modifier == "#":
            return pattern.without_prefix(value or "", is_longest)
        return pattern.without_suffix(value or "", is_longest)

    def _replaced(self, name: str) -> str:
        replaces_all = self._peek() == "/"
        self.position += replaces_all
        word = self._until("/", keeps_escapes=True)
        replacement = self._until("}", keeps_escapes=True)
        value = self._value(name)
        if value is None and self.keeps_unset:
            return f"${{{name}/{'/' * replaces_all}{word}/{replacement}}}"
        pattern = self._pattern(word, value or "")
        if not replaces_all:
            return pattern.replace_first(value or "", replacement)
        return pattern.replace_all(value or "", replacement, _MOST_CHARACTERS)

    def _pattern(self, word: str, value: str) -> Wildcard:
        pattern = Wildcard(word)
        self._spend(pattern.cost(value))
        return pattern

    def _name(self) -> str:
        char, begin = self._peek(), self.position
        if char.isdecimal():
            while self._peek().isdecimal():
                self.position += 1
        elif char and char in _SPECIAL:
            self.position += 1
        else:
            while (char := self._peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self.position += 1
        return self.text[begin : self.position]

    def _value(self, name: str) -> str | None:
        value = self.variables.get(name)
        told = self._missing if value is None else self._found
        if told:
            told(name)
        return value

    def _spent(self, value: str) -> str:
        self._spend(len(value))
        return value

    def _spend(self, work: int) -> None:
        """Bound time and memory: a few variables that double each other make gigabytes."""
        self._work += work
        if self._work > _MOST_CHARACTERS:
            raise self._wrong("the variables are too large")

    def _wrong(self, reason: str) -> InvalidInput:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:80]}…"
        return InvalidInput(f"failed to process {shown!r}: {reason}")
