"""The verbs of registries. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

from containerlab.commands.table import Argument, ImageName, Instead, command
from containerlab.options import remote
from containerlab.options.flag import normalise
from containerlab.options.login import LoginOptions, LogoutOptions
from containerlab.options.registry import PasswordOptions, ServeOptions
from containerlab.options.signing import KeyPairOptions, SignOptions, VerifyOptions

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.inspection import Inspection
    from containerlab.engine.registries.images import RawDocument, RemoteTag
    from containerlab.engine.registries.logins import Login, Logout
    from containerlab.engine.registries.passwords import NewPassword
    from containerlab.engine.registries.remote import RemoteRegistry
    from containerlab.engine.registries.search import Found
    from containerlab.engine.registries.serving import RegistryServer
    from containerlab.engine.registries.signing import KeyPair, Signature, Verification
    from containerlab.oci.image import Descriptor
    from containerlab.views.table import Table

__all__ = ["Registry"]

RegistryName = Annotated[str, Argument("REGISTRY")]
UserName = Annotated[str, Argument("USER")]
Term = Annotated[str, Argument("[REGISTRY/]TEXT")]
Destination = Annotated[str, Argument("NAME[:TAG]", "image")]


class Registry:
    """Registries, as an engine uses them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @command("registry serve")
    def serve(self, **options: Unpack[ServeOptions]) -> RegistryServer:
        """Start a registry on this store, and return how to reach it.

        with lab.registry.serve(port=0) as registry:
            print(registry.url)

        It ends with the block, with `stop`, or with the process that started it.
        """
        from containerlab.engine.registries import serving

        return serving.serve(self._engine, normalise(ServeOptions, options))

    def at(self, host: str = "", *, tls_verify: bool | None = None) -> RemoteRegistry:
        """Return the nouns of a registry of containerlab's, with the login that is kept for it.

        with lab.registry.at("localhost:5000") as reg:
            reg.organizations.create("lab")

        host: $CONTAINERLAB_REGISTRY, else localhost:5000 if not given.
        """
        from containerlab.engine.registries.remote import RemoteRegistry

        return RemoteRegistry.at(host, tls_verify)

    @command("registry password")
    def reset_password(self, user: UserName = "admin", **options: Unpack[PasswordOptions]) -> NewPassword:
        """Give a user of the registry on this store a new password, and let them in again.

        It needs no login, as it works on the store itself, whether the server runs or not. All that the user
        was given before (tokens, sessions, temporary logins) ends.
        """
        from containerlab.engine.registries import passwords

        return passwords.reset(self._engine, user, normalise(PasswordOptions, options))

    @command("registry login", "login")
    def login(self, registry: RegistryName = "", **options: Unpack[LoginOptions]) -> Login:
        """Log in to a registry, docker.io if none is named, and keep the login where docker does.

        lab.registry.login("localhost:5000", username="ada", password=token)

        It is tried before it is kept. A credential helper of config.json keeps it where one is set up.
        """
        from containerlab.engine.registries import logins

        return logins.log_in(registry, normalise(LoginOptions, options), self._engine.face)

    @command("registry logout", "logout")
    def logout(self, registry: RegistryName = "", **options: Unpack[LogoutOptions]) -> Logout:
        """Forget the login of a registry, docker.io if none is named, wherever docker or podman keep it."""
        from containerlab.engine.registries import logins

        return logins.log_out(registry, bool(normalise(LogoutOptions, options).get("all")))

    @command("registry search", "search")
    def search(self, term: Term, **options: Unpack[remote.SearchOptions]) -> Table[Found]:
        """Look for repositories at a registry, Docker Hub unless one is named; `HOST/` lists all of it."""
        from containerlab.engine.registries import search

        return search.search(term, normalise(remote.SearchOptions, options))

    @command("registry tags")
    def tags(self, name: ImageName, **options: Unpack[remote.TagsOptions]) -> Table[RemoteTag]:
        """List the tags of a repository at its registry."""
        from containerlab.engine.registries import images

        return images.tags(name, normalise(remote.TagsOptions, options))

    @command(
        "registry inspect",
        instead={"raw": Instead("--raw", "raw", "Write the manifest or index, byte for byte")},
    )
    def inspect(self, name: ImageName, **options: Unpack[remote.RemoteInspectOptions]) -> Inspection:
        """Describe an image at its registry, without pulling its layers."""
        from containerlab.engine.registries import images

        return images.inspect(name, normalise(remote.RemoteInspectOptions, options))

    def raw(self, name: ImageName, **options: Unpack[remote.RemoteInspectOptions]) -> RawDocument:
        """Return the manifest or index of an image at its registry, byte for byte."""
        from containerlab.engine.registries import images

        return images.raw(name, normalise(remote.RemoteInspectOptions, options))

    @command("registry copy")
    def copy(self, source: ImageName, target: Destination, **options: Unpack[remote.CopyToOptions]) -> str:
        """Copy an image from one repository to another, at whatever registries, past the store."""
        from containerlab.engine.registries import images

        return images.copy(source, target, normalise(remote.CopyToOptions, options))

    @command("registry delete")
    def delete(self, name: ImageName, **options: Unpack[remote.RemoteDeleteOptions]) -> tuple[str, ...]:
        """Delete a tag at its registry, or by a digest an image with all its tags."""
        from containerlab.engine.registries import images

        return images.delete(name, normalise(remote.RemoteDeleteOptions, options))

    @command("registry referrers")
    def referrers(self, name: ImageName, **options: Unpack[remote.ReferrersOptions]) -> Table[Descriptor]:
        """List what speaks about an image at its registry: signatures, attestations, SBOMs."""
        from containerlab.engine.registries import images

        return images.referrers(name, normalise(remote.ReferrersOptions, options))

    @command("image sign", "sign")
    def sign(self, name: ImageName, **options: Unpack[SignOptions]) -> Signature:
        """Sign an image at its registry with a key, in cosign's format.

        lab.registry.sign("localhost:5000/lab/app:1", key="cosign.key")

        Cosign verifies it with: cosign verify --key cosign.pub --insecure-ignore-tlog=true IMAGE
        """
        from containerlab.engine.registries import signing

        return signing.sign(name, normalise(SignOptions, options), self._engine.face)

    @command("image verify", "verify")
    def verify(self, name: ImageName, **options: Unpack[VerifyOptions]) -> Verification:
        """Verify with a key who has signed an image at its registry; fail when no signature is right."""
        from containerlab.engine.registries import signing

        return signing.verify(name, normalise(VerifyOptions, options))

    @command("image generate-key-pair", "generate-key-pair")
    def generate_key_pair(self, **options: Unpack[KeyPairOptions]) -> KeyPair:
        """Make keys for `sign` and `verify`: cosign.key under a password, cosign.pub for everybody."""
        from containerlab.engine.registries import signing

        prefix = normalise(KeyPairOptions, options).get("output_key_prefix", "")
        return signing.make_key_pair(prefix, self._engine.face)
