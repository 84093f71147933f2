"""Values that have fields, `KEY=VALUE,…`, as CSV: a field with commas stands in double quotes.

Source: Docker documentation, `docker buildx build`; Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

import csv

from containerlab.errors import InvalidInput

__all__ = ["fields"]


def fields(text: str, what: str) -> list[str]:
    """Part a value at its commas; `what` names it in the error.

    >>> fields('type=local,"dest=a,b"', "--output")
    ['type=local', 'dest=a,b']

    Raises: InvalidInput for quotes that do not fit.
    """
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise InvalidInput(f"cannot part {what} at its commas: {error}", "close the quotes") from error
