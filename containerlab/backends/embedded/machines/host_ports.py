"""Ports of the host that lead into a machine: free now, and chosen where the user leaves it open."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from containerlab.errors import Conflict, InvalidInput, LabError, NotPermitted
from containerlab.options.ports import Published

__all__ = ["chosen"]


def chosen(wanted: Sequence[Published]) -> tuple[Published, ...]:
    """Return the ports with a number of the host each.

    Raises: Conflict when one is taken, or wanted twice; NotPermitted, InvalidInput.
    """
    found = tuple(_free(each) for each in wanted)
    places = {(each.address, each.host_port, each.protocol) for each in found}
    if len(places) < len(found):
        raise InvalidInput("-p: a port of the host is given twice", "leave one of them out")
    return found


def _free(published: Published) -> Published:
    kind = socket.SOCK_DGRAM if published.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:  # as QEMU does: connections that are just ending are in nobody's way
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((published.address, published.host_port))
        except OSError as error:
            raise _refused(published, error) from error
        return published._replace(host_port=probe.getsockname()[1])


def _refused(published: Published, error: OSError) -> LabError:
    place = f"port {published.host_port} of {published.address}"
    if error.errno == errno.EADDRINUSE:
        return Conflict(f"{place} is taken", f"choose another, or let one be chosen: -p {published.port}")
    if error.errno == errno.EACCES:
        return NotPermitted(f"{place} is for root only", "choose one above 1023")
    return InvalidInput(f"cannot publish at {place}: {error.strerror}", "give an address of this host")
