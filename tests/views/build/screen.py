"""What a terminal shows after what was written to it: as much of one as the display of a build uses."""

from __future__ import annotations

import re

__all__ = ["Screen"]

_PIECES = re.compile(r"\x1b\[(\??\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """Rows of a terminal that has no end; does not know wrapped lines."""

    def __init__(self) -> None:
        self.rows = [""]
        self.row = self.column = 0
        self.has_cursor = True
        self.was_coloured = False

    def feed(self, written: str) -> Screen:
        for argument, command, returned, newline, text in _PIECES.findall(written):
            if command:
                self._control(argument, command)
            elif returned:
                self.column = 0
            elif newline:
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            else:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + text + line[self.column + len(text) :]
                self.column += len(text)
        return self

    def _control(self, argument: str, command: str) -> None:
        if command == "A":
            self.row -= int(argument)
            assert self.row >= 0
        elif command == "K":
            self.rows[self.row] = self.rows[self.row][: self.column]
        elif command == "J":
            self.rows[self.row :] = [self.rows[self.row][: self.column]]
        elif argument == "?25":
            self.has_cursor = command == "h"
        elif command == "m":
            self.was_coloured = True
        else:
            raise AssertionError(f"not known: {argument}{command}")

    @property
    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows).rstrip()
