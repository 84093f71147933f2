"""The options of the registry's server: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.flag import Flag

__all__ = ["PasswordOptions", "ServeOptions"]


# fmt: off
class ServeOptions(TypedDict, total=False):
    host: Annotated[str, Flag("--host", v.text, "Address to listen at: 127.0.0.1, unless others shall reach it", "ADDRESS")]
    port: Annotated[int, Flag("-p --port", v.whole(0, 65535), "Port to listen at: 5000; 0 takes one that is free", "NUMBER")]
    storage: Annotated[str, Flag("--storage", v.file_path, "Home whose blobs it keeps, by default the usual one", "DIRECTORY", completes="file")]
    auth: Annotated[str, Flag("--auth", v.choice("bearer", "basic", "none"), "How clients show who they are: bearer, basic, none", "KIND", completes="bearer basic none")]
    insecure_open: Annotated[bool, Flag("--insecure-open", units.switch, "Let --auth none be used by other machines too")]
    tls_cert: Annotated[str, Flag("--tls-cert", v.file_path, "Certificate in PEM, with those that vouch for it", "FILE", completes="file")]
    tls_key: Annotated[str, Flag("--tls-key", v.file_path, "Its private key in PEM", "FILE", completes="file")]
    workers: Annotated[int, Flag("--workers", v.whole(1, 64), "Processes that answer: 1", "NUMBER")]
    public_url: Annotated[str, Flag("--public-url", v.text, "What clients call it, behind a proxy: https://registry.example", "URL")]
    no_delete: Annotated[bool, Flag("--no-delete", units.switch, "Refuse to delete tags, manifests and blobs")]
    users_create_organizations: Annotated[bool, Flag("--users-create-organizations", units.switch, "Let users create organisations, not only administrators")]
    admin_password_stdin: Annotated[bool, Flag("--admin-password-stdin", units.switch, "Read the first administrator's password from standard input, or take $CONTAINERLAB_ADMIN_PASSWORD")]
    private_targets: Annotated[bool, Flag("--private-targets", units.switch, "Let webhooks, replications and upstreams go to this machine and private networks")]
    keep_events: Annotated[float | str, Flag("--keep-events", units.seconds, "How far back the audit log goes: 365d", "DURATION")]
    access_log: Annotated[bool, Flag("--access-log", units.switch, "Write a line for every request, not only for those refused")]


class PasswordOptions(TypedDict, total=False):
    storage: Annotated[str, Flag("--storage", v.file_path, "Home that the registry works on, by default the usual one", "DIRECTORY", completes="file")]
    password_stdin: Annotated[bool, Flag("--password-stdin", units.switch, "Read the password from standard input; a random one is made without")]
# fmt: on
