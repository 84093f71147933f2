"""The verbs of manifest lists: images for several platforms under one name, put together by hand.

Each method is a command too; the words that call it stand above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import msgspec

from containerlab.backends import optional
from containerlab.commands.table import Argument, ImageName, command
from containerlab.engine import manifest_documents as documents
from containerlab.errors import AlreadyExists, InvalidInput, NotFound, Unsupported
from containerlab.oci.image import Descriptor
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference
from containerlab.options import remote
from containerlab.options.flag import normalise
from containerlab.store.drafts import Draft, Entry

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.inspection import Inspection
    from containerlab.views.table import Table

__all__ = ["Manifests"]

ListName = Annotated[str, Argument("LIST", "list")]
_UNKNOWN = Platform("", "")


class Manifests:
    """The manifest lists of an engine, until they are pushed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _keeper(self) -> optional.ListKeeping:
        backend = self._engine.backend
        if not isinstance(backend, optional.ListKeeping):
            raise Unsupported(f"the {backend.name} backend keeps no manifest lists")
        return backend

    @command("manifest create")
    def create(self, name: ListName, *images: ImageName, **options: Unpack[remote.ListCreateOptions]) -> str:
        """Begin a manifest list of images, which are in the store or else at their registries."""
        given = normalise(remote.ListCreateOptions, options)
        draft = self._begun(name, amend=given.get("amend", False))
        draft = msgspec.structs.replace(draft, annotations=draft.annotations | given.get("annotation", {}))
        return self._extended(draft, images, given.get("tls_verify"))

    @command("manifest add")
    def add(self, name: ListName, *images: ImageName, **options: Unpack[remote.RemoteOptions]) -> str:
        """Add images to a manifest list."""
        given = normalise(remote.RemoteOptions, options)
        return self._extended(self._keeper().list_called(name), images, given.get("tls_verify"))

    def _begun(self, name: str, *, amend: bool) -> Draft:
        reference = Reference.parse(name)
        if reference.digest:
            raise InvalidInput(f"{name} has a digest, which cannot be chosen", "write name:tag")
        try:
            found = self._keeper().list_called(name)
        except NotFound:
            return Draft(name=reference.full())
        if not amend:
            raise AlreadyExists(
                f"there is a manifest list {name} already", "--amend adds to it, `manifest rm` removes it"
            )
        return found

    def _extended(self, draft: Draft, images: Sequence[str], tls_verify: bool | None) -> str:
        keeper = self._keeper()
        new = [entry for image in images for entry in keeper.entries_of(image, tls_verify=tls_verify)]
        kept = {entry.descriptor.digest: entry for entry in (*draft.entries, *new)}
        keeper.keep_list(msgspec.structs.replace(draft, entries=tuple(kept.values())))
        return Reference.parse(draft.name).familiar()

    @command("manifest annotate")
    def annotate(self, name: ListName, image: ImageName, **options: Unpack[remote.AnnotateOptions]) -> str:
        """Say for which platform an image of a manifest list is, or remark on it."""
        given = normalise(remote.AnnotateOptions, options)
        draft = self._keeper().list_called(name)
        digest = self._meant(draft, image).descriptor.digest
        entries = tuple(
            _annotated(entry, given) if entry.descriptor.digest == digest else entry
            for entry in draft.entries
        )
        self._keeper().keep_list(msgspec.structs.replace(draft, entries=entries))
        return Reference.parse(draft.name).familiar()

    def _meant(self, draft: Draft, image: str) -> Entry:
        """Return the one entry that a digest, or a name when it leads to one alone, means."""
        for entry in draft.entries:
            if image in (entry.descriptor.digest, entry.source):
                return entry
        digests = {each.descriptor.digest for each in self._keeper().entries_of(image)}
        found = [entry for entry in draft.entries if entry.descriptor.digest in digests]
        if len(found) == 1:
            return found[0]
        what = f"leads to {len(found)} images" if found else "is not"
        hint = "name it by its digest: `manifest entries` lists them"
        raise NotFound(f"{image} {what} in the list {Reference.parse(draft.name).familiar()}", hint)

    @command("manifest ls", "manifest list")
    def list(self) -> Table[Draft]:
        """List the manifest lists that are not pushed yet."""
        return documents.lists(self._keeper().lists())

    @command("manifest entries")
    def entries(self, name: ListName) -> Table[Entry]:
        """List the images of a manifest list."""
        return documents.entries(self._keeper().list_called(name))

    @command("manifest inspect")
    def inspect(self, name: ListName, **options: Unpack[remote.ListInspectOptions]) -> Inspection:
        """Show a manifest list, or what a registry has under the name."""
        given = normalise(remote.ListInspectOptions, options)
        try:
            draft: Draft | None = self._keeper().list_called(name)
        except NotFound:
            draft = None
        return documents.of_draft(draft) if draft else documents.of_registry(name, given)

    @command("manifest push")
    def push(self, name: ListName, **options: Unpack[remote.ListPushOptions]) -> str:
        """Push a manifest list with its images, as far as the registry has them not; return its digest."""
        given = normalise(remote.ListPushOptions, options)
        with self._engine.showing(f"push {name}"):
            digest = self._keeper().push_list(name, tls_verify=given.get("tls_verify"))
        if given.get("purge"):
            self._keeper().remove_list(name)
        return digest

    @command("manifest rm", each=True)
    def remove(self, name: ListName) -> str:
        """Remove a manifest list that is not pushed; the images stay."""
        self._keeper().remove_list(name)
        return name


def _annotated(entry: Entry, given: Mapping[str, Any]) -> Entry:
    old = entry.descriptor.platform or _UNKNOWN
    fields = {"arch": "architecture", "os_version": "os_version", "os": "os", "variant": "variant"}
    changes = {field: given[option] for option, field in fields.items() if option in given}
    if "os_features" in given:
        changes["os_features"] = given["os_features"]
    platform = msgspec.structs.replace(old, **changes)
    descriptor: Descriptor = msgspec.structs.replace(
        entry.descriptor,
        platform=None if platform == _UNKNOWN else platform,
        annotations=entry.descriptor.annotations | given.get("annotation", {}),
    )
    return msgspec.structs.replace(entry, descriptor=descriptor)
