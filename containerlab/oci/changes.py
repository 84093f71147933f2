"""Changes to a configuration: what `import --change` and `commit --change` add to it.

Source: docker commit reference; Dockerfile reference for what replaces and what adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from containerlab import errors
from containerlab.oci.image import Config

__all__ = ["merge"]

_ADDED = ("labels", "volumes", "exposed_ports")


def merge(config: Config, fields: Mapping[str, Any]) -> Config:
    """Return the configuration with fields (in JSON's names) set; variables, labels, ports, volumes add up.

    A new entry point drops the old command, as in a Dockerfile.

    >>> merge(Config(env=("A=1", "B=2")), {"Env": ["A=3"]}).env
    ('A=3', 'B=2')

    Raises: InvalidInput naming the field.
    """
    if unknown := sorted(set(fields) - _NAMES.keys()):
        raise errors.InvalidInput(
            f"an image configuration has no field {unknown[0]!r}", errors.nearest(unknown[0], _NAMES)
        )
    try:
        new = msgspec.convert(dict(fields), Config)
    except msgspec.ValidationError as error:
        raise errors.InvalidInput(f"the change to the image configuration is wrong: {error}") from error
    values = {_NAMES[name]: getattr(new, _NAMES[name]) for name in fields}
    if "entrypoint" in values:
        values.setdefault("cmd", ())
    if "env" in values:
        values["env"] = _added(config.env, new.env)
    values |= {name: {**getattr(config, name), **values[name]} for name in _ADDED if name in values}
    return msgspec.structs.replace(config, **values)


_NAMES = {field.encode_name: field.name for field in msgspec.structs.fields(Config)}


def _added(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    values = {each.partition("=")[0]: each for each in (*old, *new)}
    return tuple(values.values())
