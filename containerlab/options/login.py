"""The options of logins: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.flag import Flag
from containerlab.options.tls import TLS_VERIFY

__all__ = ["LoginOptions", "LogoutOptions"]


# fmt: off
class LoginOptions(TypedDict, total=False):
    username: Annotated[str, Flag("-u --username", v.text, "Who; asked for if not given", "NAME")]
    password: Annotated[str, Flag("-p --password", v.text, "Password or token; others on this machine can see it", "PASSWORD")]
    password_stdin: Annotated[bool, Flag("--password-stdin", units.switch, "Read the password from standard input")]
    tls_verify: Annotated[bool, TLS_VERIFY]


class LogoutOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Forget the logins of all registries")]
# fmt: on
