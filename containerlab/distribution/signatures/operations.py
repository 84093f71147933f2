"""Sign an image at its registry, and verify who has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from containerlab import errors
from containerlab.distribution.refusals import plain
from containerlab.distribution.remote import Remote
from containerlab.distribution.signatures import bundles, payload, stored
from containerlab.distribution.signatures.keys import PrivateKey, PublicKey
from containerlab.distribution.signatures.payload import Statement
from containerlab.oci.reference import Reference

__all__ = ["Finding", "Signed", "Verified", "sign", "verify"]


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that is at the registry now."""

    image: str
    digest: str
    """Of the manifest that is signed."""
    place: str
    """The repository, with the tag or the digest of the signature's manifest."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an image, and what is wrong with it."""

    where: str
    """The tag or the digest of the manifest that it is in."""
    statement: Statement | None = None
    """What was signed; None when it is not by the key."""
    problem: str = ""
    """Empty when all is right."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """All signatures of an image; at least one is right."""

    image: str
    digest: str
    findings: tuple[Finding, ...]

    @property
    def statements(self) -> list[Statement]:
        """What signatures that are right say."""
        return [each.statement for each in self.findings if each.statement and not each.problem]


def sign(
    reference: Reference,
    key: PrivateKey,
    annotations: Mapping[str, str],
    *,
    as_referrer: bool = False,
    tls_verify: bool | None = None,
) -> Signed:
    """Sign the manifest that a name leads to now. The same signature twice is there once, where that is told.

    Raises: NotFound, NotPermitted, Unavailable as the registry has it.
    """
    with Remote(reference, for_push=True, tls_verify=tls_verify) as remote:
        subject = remote.manifest(reference.digest or reference.tag).descriptor
        message = payload.write(Statement(payload.identity_of(reference), subject.digest, annotations))
        known = _same(remote, subject.digest, message, key.public, as_referrer)
        if known:
            where = known
        elif as_referrer:
            where = stored.add_as_referrer(remote, subject, message, key.sign(message))
        else:
            where = stored.add(remote, subject.digest, message, key.sign(message))
        place = f"{remote.name}{'@' if ':' in where else ':'}{where}"
    return Signed(image=reference.familiar(), digest=subject.digest, place=place)


def _same(remote: Remote, digest: str, message: bytes, key: PublicKey, as_referrer: bool) -> str:
    """Return where the key has said the same already; ECDSA gives another signature each time."""
    for found in stored.fetch(remote, digest):
        is_there = (":" in found.where) == as_referrer and found.payload == message
        if is_there and key.has_signed(found.payload, found.signature):
            return found.where
    return ""


def verify(
    reference: Reference, key: PublicKey, annotations: Mapping[str, str], *, tls_verify: bool | None = None
) -> Verified:
    """Look at all signatures of the manifest that a name leads to now.

    annotations: what a signature must say to be right.

    Raises: NotFound when there is none; NotPermitted when none is right.
    """
    with Remote(reference, tls_verify=tls_verify) as remote:
        digest = remote.manifest(reference.digest or reference.tag).descriptor.digest
        findings = tuple(_judged(remote, digest, key, annotations))
    name = reference.familiar()
    if not findings:
        raise errors.NotFound(f"no signatures found for {name}", f"conlab sign --key KEY {name}")
    found = Verified(image=name, digest=digest, findings=findings)
    if not found.statements:
        problems = "; ".join(f"{each.where[:19]}: {each.problem}" for each in findings[:5])
        raise errors.NotPermitted(
            f"no matching signatures of {name}: {problems}", "do not run it, or look for its right key"
        )
    return found


def _judged(remote: Remote, digest: str, key: PublicKey, annotations: Mapping[str, str]) -> Iterator[Finding]:
    for each in stored.fetch(remote, digest):
        yield _finding(each, key, digest, annotations)
    for bundle in bundles.fetch(remote, digest):
        yield _finding(bundle, key, digest, annotations)


def _finding(
    found: stored.Stored | bundles.Bundle, key: PublicKey, digest: str, annotations: Mapping[str, str]
) -> Finding:
    try:
        if isinstance(found, bundles.Bundle):
            statement = found.statement(key, digest)
        elif key.has_signed(found.payload, found.signature):
            statement = payload.read(found.payload)
        else:
            return Finding(where=found.where, problem="it is not by this key")
    except (errors.CorruptContent, errors.NotPermitted) as error:
        return Finding(where=found.where, problem=plain(error.message))
    if statement.digest != digest:
        return Finding(where=found.where, statement=statement, problem="it is about another image")
    missing = [name for name, value in annotations.items() if statement.annotations.get(name) != value]
    said = f"it does not say {', '.join(missing)} as wanted" if missing else ""
    return Finding(where=found.where, statement=statement, problem=said)
