"""What --secret gives to a build: values that RUN may see and nothing may keep.

Source: docker buildx build, "--secret"; BuildKit's limits (session/secrets/secretsprovider/store.go).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from containerlab.build import csv_fields
from containerlab.errors import InvalidInput, NotFound, nearest, of_the_system

__all__ = ["MOST_BYTES", "Secret", "SecretSource", "parse_secret", "read_secrets"]

MOST_BYTES = 500 << 10
"""A secret is a credential, not a data set; BuildKit draws the line here too."""
_KEYS = {"id": "id", "src": "src", "source": "src", "env": "env", "type": "type"}


class Secret:
    """A value with its name; neither `repr` nor `str` nor an exception shows the value.

    >>> Secret("token", b"sesame")
    <Secret token>
    """

    __slots__ = ("id", "value")

    def __init__(self, id: str, value: bytes) -> None:
        self.id = id
        self.value = value

    def __repr__(self) -> str:
        return f"<Secret {self.id}>"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere, so it cannot be pickled")


class SecretSource(NamedTuple):
    """Where the value of a secret is; with neither path nor variable, in what is called like its id."""

    id: str
    path: str = ""
    variable: str = ""


def parse_secret(text: str | SecretSource) -> SecretSource:
    """Read `id=ID[,src=FILE|env=VARIABLE][,type=file|env]`; a value with commas stands in quotes, as in CSV.

    >>> parse_secret("id=token,env=API_TOKEN")
    SecretSource(id='token', path='', variable='API_TOKEN')

    Raises: InvalidInput.
    """
    if isinstance(text, SecretSource):
        return text
    fields = _fields(text)
    path, variable = fields.get("src", ""), fields.get("env", "")
    if fields.get("type") == "env" and not variable:
        path, variable = "", path  # as BuildKit: `type=env,src=NAME`
    if path and variable:
        raise InvalidInput(f"the secret {fields['id']!r} has both a file and a variable", "give src= or env=")
    if fields.get("type") == "file" and variable:
        raise InvalidInput(f"the secret {fields['id']!r} has type=file and a variable", "leave type= out")
    return SecretSource(fields["id"], os.path.expanduser(path), variable)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in csv_fields.fields(text, "a secret"):
        written, equals, value = field.partition("=")
        key = _KEYS.get(written.strip().lower())
        if not equals:
            raise InvalidInput("a secret is not written so", "write id=NAME,src=FILE or id=NAME,env=VARIABLE")
        if key is None:
            raise InvalidInput(
                f"no such key of a secret: {written!r}", nearest(written, _KEYS) or "id, src, env"
            )
        if key == "type" and value not in ("file", "env"):
            raise InvalidInput(f"no such type of a secret: {value!r}", "file or env")
        fields[key] = value
    if not fields.get("id"):
        raise InvalidInput("a secret has no id", "write id=NAME, as RUN --mount=type=secret,id=NAME names it")
    return fields


def read_secrets(
    texts: Iterable[str | SecretSource], environment: Mapping[str, str] | None = None
) -> dict[str, Secret]:
    """Read all secrets of a build at its start, by id, so that what is missing stops it before anything runs.

    Raises: InvalidInput for an id given twice or a value of more than 500 KiB; NotFound for a file or
        variable that is not there; NotPermitted.
    """
    found: dict[str, Secret] = {}
    for source in map(parse_secret, texts):
        if source.id in found:
            raise InvalidInput(f"the secret {source.id!r} is given twice", "leave one out")
        value = _value(source, os.environ if environment is None else environment)
        if len(value) > MOST_BYTES:
            raise InvalidInput(
                f"the secret {source.id!r} has more than {MOST_BYTES >> 10} KiB",
                "mount files that are that big with RUN --mount=type=bind",
            )
        found[source.id] = Secret(source.id, value)
    return found


def _value(source: SecretSource, environment: Mapping[str, str]) -> bytes:
    if not source.path and not source.variable:
        is_variable = source.id in environment
        source = source._replace(variable=source.id) if is_variable else source._replace(path=source.id)
    if source.path:
        return _content(source)
    if source.variable not in environment:
        raise NotFound(
            f"the variable {source.variable} of the secret {source.id!r} is not set",
            f"export {source.variable}, or give the secret as a file: id={source.id},src=FILE",
        )
    return os.fsencode(environment[source.variable])


def _content(source: SecretSource) -> bytes:
    try:
        with open(source.path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFound(
            f"the secret {source.id!r} is to be read from {source.path}, where no file is",
            f"write id={source.id},src=FILE or id={source.id},env=VARIABLE",
        ) from error
    except OSError as error:
        raise of_the_system(error, f"secret {source.id!r}") from error
