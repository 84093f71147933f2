"""The option of all commands that speak to a registry."""

from containerlab import units
from containerlab.options.flag import Flag

__all__ = ["TLS_VERIFY"]

TLS_VERIFY = Flag("--tls-verify", units.switch, "Insist on TLS; =false does without checks, and without TLS")
