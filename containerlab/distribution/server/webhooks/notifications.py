"""What a webhook sends: an event as JSON, signed.

The body is a CloudEvent whose `data` is an event as Docker's registry sends it, or with the format `docker`
that alone in its envelope, for receivers that know nothing else. The signature is in the header

    X-Containerlab-Signature: sha256=<HMAC-SHA256 of "<timestamp>.<body>" with the secret, hexadecimal>

and the timestamp, in seconds since the epoch, in X-Containerlab-Timestamp: a receiver refuses old ones, so
that nobody can send a recorded event again. See docs/registry-partners.md for how to verify it.

Source: CloudEvents 1.0, JSON format; distribution, docs/about/notifications.md.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

import msgspec

from containerlab.distribution.api.events import Event
from containerlab.oci import image as documents

__all__ = ["FORMATS", "Subject", "document", "headers", "signature"]

FORMATS = {
    "cloudevents": "application/cloudevents+json",
    "docker": "application/vnd.docker.distribution.events.v2+json",
}
"""By name, the media types of what is sent."""
_TYPE = "io.containerlab.registry"
_ACTIONS = {"tag.delete": "delete", "blob.delete": "delete"}
_PREFIX = "X-Containerlab"


class Subject(NamedTuple):
    """What an event is about, as far as it is known when it is told."""

    source: str
    """The registry's own URL."""
    media_type: str = ""
    size: int = 0


class _Target(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    repository: str
    media_type: str = ""
    size: int = 0
    length: int = 0
    digest: str = ""
    url: str = ""
    tag: str = ""


class _Docker(msgspec.Struct, frozen=True):
    id: str
    timestamp: str
    action: str
    target: _Target
    request: dict[str, str]
    actor: dict[str, str]
    source: dict[str, str]
    detail: str


class _CloudEvent(msgspec.Struct, frozen=True):
    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    subject: str
    data: _Docker


def document(event: Event, subject: Subject, form: str) -> bytes:
    """Write the body: the same for every attempt, so that a receiver can tell it by its id."""
    docker = _docker(event, subject)
    if form == "docker":
        return msgspec.json.encode({"events": [docker]})
    return msgspec.json.encode(
        _CloudEvent(
            specversion="1.0",
            id=docker.id,
            source=subject.source,
            type=f"{_TYPE}.{event.kind}",
            time=docker.timestamp,
            datacontenttype="application/json",
            subject=_name(event) or event.account or "registry",
            data=docker,
        )
    )


def headers(form: str, kind: str, event_id: int, delivery: int) -> dict[str, str]:
    """Return what every attempt says of itself beside the signature."""
    return {
        "Content-Type": FORMATS[form],
        "User-Agent": "containerlab-registry",
        f"{_PREFIX}-Event": kind,
        f"{_PREFIX}-Event-Id": str(event_id),
        f"{_PREFIX}-Delivery": str(delivery),
    }


def signature(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove where a body comes from and when it was sent."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {f"{_PREFIX}-Timestamp": str(timestamp), f"{_PREFIX}-Signature": f"sha256={signed}"}


def _docker(event: Event, subject: Subject) -> _Docker:
    return _Docker(
        id=str(event.id),
        timestamp=documents.format_time(event.time),
        action=_ACTIONS.get(event.kind, event.kind),
        target=_Target(
            repository=event.repository,
            media_type=subject.media_type,
            size=subject.size,
            length=subject.size,
            digest=event.digest,
            url=_url(event, subject),
            tag=event.tag,
        ),
        request={"addr": event.address},
        actor={"name": event.account},
        source={"addr": subject.source},
        detail=event.detail,
    )


def _url(event: Event, subject: Subject) -> str:
    if not event.repository or not event.digest:
        return ""
    kind = "blobs" if event.kind == "blob.delete" else "manifests"
    return f"{subject.source}/v2/{event.repository}/{kind}/{event.digest}"


def _name(event: Event) -> str:
    tag, digest = event.tag and f":{event.tag}", event.digest and f"@{event.digest}"
    return f"{event.repository}{tag or digest}"
