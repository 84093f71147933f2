"""The options of signatures: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.container import Pairs
from containerlab.options.flag import Flag
from containerlab.options.tls import TLS_VERIFY

__all__ = ["KeyPairOptions", "SignOptions", "VerifyOptions"]


# fmt: off
class SignOptions(TypedDict, total=False):
    key: Annotated[str, Flag("-k --key", v.file_path, "Private key of cosign or openssl, PEM", "FILE", completes="file")]
    annotations: Annotated[Pairs, Flag("-a --annotations", v.pair, "Say something with the signature", "KEY=VALUE", collect=dict)]
    referrer: Annotated[bool, Flag("--referrer", units.switch, "Keep it as a referrer of the image (OCI 1.1), not under a tag")]
    tls_verify: Annotated[bool, TLS_VERIFY]


class VerifyOptions(TypedDict, total=False):
    key: Annotated[str, Flag("-k --key", v.file_path, "Public key, PEM", "FILE", completes="file")]
    annotations: Annotated[Pairs, Flag("-a --annotations", v.pair, "Take signatures only that say this", "KEY=VALUE", collect=dict)]
    tls_verify: Annotated[bool, TLS_VERIFY]


class KeyPairOptions(TypedDict, total=False):
    output_key_prefix: Annotated[str, Flag("--output-key-prefix", v.file_path, "Beginning of the files' names: cosign", "PATH", completes="file")]
# fmt: on
