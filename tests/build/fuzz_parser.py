"""Feeds the parser and the expansion with bytes that a fuzzer grows: `python -m tests.build.fuzz_parser`.

Needs atheris (`pip install atheris`); runs until it is stopped or finds something. Arguments go to libFuzzer.
"""

from __future__ import annotations

import contextlib
import sys

from containerlab.build.checks.lint import lint
from containerlab.build.language.expand import expand, expand_document, expand_shown, expand_words
from containerlab.build.language.located import DockerfileError
from containerlab.build.language.parser import parse
from containerlab.errors import InvalidInput

VARIABLES = {"A": "a*b/c", "B": "", "LONG": "ab/" * 100}


def read_anything(data: bytes) -> None:
    """Parse, check and expand; whatever it raises is a finding, but for errors that name the place."""
    with contextlib.suppress(DockerfileError):
        dockerfile = parse(data)
        with contextlib.suppress(InvalidInput):
            lint(dockerfile)
    text = data.decode("utf-8", "replace")
    for form in (expand, expand_words, expand_document):
        with contextlib.suppress(InvalidInput):
            form(text, VARIABLES)
    expand_shown(text, VARIABLES, "`")


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, read_anything)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
