"""What goes wrong with a connection, in words that help: urllib3's errors, and OpenSSL's beneath them."""

from __future__ import annotations

from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution.refusals import Dropped, Unreachable, plain

__all__ = ["translated"]


def translated(error: Exception, url: str, patience_s: float) -> errors.LabError:
    """Return what urllib3 raised as an error of the tree; patience_s: how long one waits to be connected."""
    from urllib3 import exceptions as failures

    host = urlsplit(url).netloc
    if isinstance(error.__context__, errors.NotPermitted):  # an OSError to urllib3, which wraps it
        return error.__context__
    if isinstance(error, failures.ProxyError):
        return errors.Unavailable(
            f"cannot reach {host} through the proxy: {_cause(error)}",
            "look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        )
    if isinstance(error, failures.SSLError):
        return _tls_error(error, host)
    if isinstance(error, failures.NameResolutionError):
        return errors.Unavailable(
            f"cannot find {host}: there is no such host", "look at its name, and at your network"
        )
    if isinstance(error, failures.NewConnectionError):
        return Unreachable(f"cannot connect to {host}: {_cause(error)}", "does the registry run there?")
    if isinstance(error, failures.ConnectTimeoutError):
        return Unreachable(
            f"cannot connect to {host}: no answer for {patience_s:.0f} s", "look at your network"
        )
    if isinstance(error, failures.ReadTimeoutError):
        return Dropped(f"{host} fell silent", "try again")
    if isinstance(error, failures.ProtocolError):
        return Dropped(f"the connection to {host} was lost: {_cause(error)}", "try again")
    return errors.Unavailable(f"cannot ask {host}: {plain(str(error))}")


def _tls_error(error: Exception, host: str) -> errors.LabError:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return errors.Unavailable(
            f"{host} speaks plain HTTP, not HTTPS",
            "if that is meant: --tls-verify=false, or `insecure` in registries.conf",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("verify failed: ")[2].partition(" (_ssl")[0]
        hint = f"put the certificate of its authority into ~/.config/containers/certs.d/{host}/ca.crt"
        return errors.NotPermitted(f"the certificate of {host} cannot be trusted: {plain(reason)}", hint)
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        hint = f"put client.cert and client.key into ~/.config/containers/certs.d/{host}/"
        return errors.NotPermitted(
            f"{host} refused the TLS connection: it may want a client certificate", hint
        )
    return errors.Unavailable(f"no TLS connection to {host}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Return the innermost reason in words: urllib3 wraps errors several times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return plain((getattr(error, "strerror", "") or str(error)).lower()) or type(error).__name__
