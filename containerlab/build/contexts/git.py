"""Git repositories as build contexts and as sources of ADD, by the program `git`.

No hook runs, nobody is asked for a password, and a submodule cannot name a local path. A URL says all that
is wanted: `https://host/repo.git#REF:FOLDER` or `…repo.git?ref=REF&subdir=FOLDER&checksum=COMMIT`.
Source: BuildKit, frontend/dockerfile/dfgitutil and source/git; docs.docker.com, "Build context".
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from containerlab import errors
from containerlab.build.contexts.urls import shown
from containerlab.build.truth import truth
from containerlab.linux.files import remove_tree

if TYPE_CHECKING:
    import subprocess

__all__ = ["Repository", "fetch", "parse"]

_SCP = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:(?!//)[^#?]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCHEMES = ("git", "http", "https", "ssh")
_KEYS = ("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules")
_ALWAYS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", "-c", "advice.detachedHead=false"),
    *("-c", "protocol.ext.allow=never", "-c", "gc.auto=0"),
)


class Repository(NamedTuple):
    """What a URL asks for.

    ref: branch, tag or commit, empty for the default branch. folder: within the repository, "" for all.
    commit: what it must turn out to be, or a beginning of it. keeps_git_dir: None when the URL does not say.
    """

    remote: str
    ref: str = ""
    folder: str = ""
    commit: str = ""
    keeps_git_dir: bool | None = None
    submodules: bool = True


def parse(text: str, *, is_context: bool = False) -> Repository | None:
    """Return what a URL asks for, None if it is none of a git repository.

    is_context: `github.com/owner/repository` without a scheme is one too.

    Raises: InvalidInput for one with keys that are unknown or contradict each other.

    >>> parse("https://example.com/repo.git#v1:docs")[:3]
    ('https://example.com/repo.git', 'v1', 'docs')
    """
    is_github = is_context and text.startswith("github.com/")
    if is_github:
        text = f"https://{text}"
    address, _, fragment = text.partition("#")
    address, _, query = address.partition("?")
    if not _SCP.fullmatch(address):
        url = urlsplit(address)
        if url.scheme not in _SCHEMES or not url.netloc:
            return None
        if url.scheme.startswith("http") and not (is_github or url.path.endswith(".git")):
            return None
    ref, _, folder = fragment.partition(":")
    return _with_query(Repository(address, ref, folder.strip("/")), query)


def _with_query(repository: Repository, query: str) -> Repository:
    """Add what stands behind the question mark."""
    keys = parse_qs(query, keep_blank_values=True)
    for key, values in keys.items():
        is_empty = values == [""] and key not in ("keep-git-dir", "submodules")
        if key not in _KEYS or len(values) > 1 or is_empty:
            raise errors.InvalidInput(
                f"{key}={','.join(values)} is not understood in {repository.remote}?{query}",
                errors.nearest(key, _KEYS) if key not in _KEYS else "give it one value",
            )
    given = {key: values[0] for key, values in keys.items()}
    refs = [repository.ref, given.get("ref", "")]
    refs += [
        f"refs/{kind}/{given[key]}" for key, kind in (("tag", "tags"), ("branch", "heads")) if key in given
    ]
    commits = [given.get("checksum", ""), given.get("commit", "")]
    commit = _one(commits, "commit", repository)
    return repository._replace(
        ref=_one(refs, "ref", repository) or commit,
        folder=_one([repository.folder, given.get("subdir", "").strip("/")], "subdir", repository),
        commit=commit,
        keeps_git_dir=_switch(given, "keep-git-dir"),
        submodules=_switch(given, "submodules") is not False,
    )


def _one(values: Sequence[str], what: str, repository: Repository) -> str:
    different = sorted({value for value in values if value})
    if len(different) > 1:
        raise errors.InvalidInput(f"{repository.remote} is asked for with two values of {what}: {different}")
    return different[0] if different else ""


def _switch(given: dict[str, str], key: str) -> bool | None:
    if key not in given:
        return None
    said = truth(given[key] or "true")
    if said is None:
        raise errors.InvalidInput(
            f"{key}={given[key]} is neither true nor false", "leave it out, or write 1 or 0"
        )
    return said


def fetch(
    repository: Repository, directory: Path, *, keeps_git_dir: bool = False, commit: str = ""
) -> Fetched:
    """Check a repository out into an empty directory.

    keeps_git_dir, commit: what ADD says; it must not contradict the URL.

    Raises: NotFound, Unavailable, InvalidInput, DigestMismatch, Unsupported without the program.
    """
    wanted = _one([repository.commit, commit], "commit", repository)
    keeps = repository.keeps_git_dir if repository.keeps_git_dir is not None else keeps_git_dir
    _refuse_options(repository)
    checkout = _Checkout(directory, repository.remote)
    found = checkout.take(repository.ref or wanted or "HEAD")
    if wanted and not found.startswith(wanted):
        raise errors.DigestMismatch(
            f"{repository.remote}: {repository.ref or 'HEAD'} is {found}, not {wanted}"
        )
    if repository.submodules:
        checkout.take_submodules()
    if not keeps:
        for kept in [*directory.rglob(".git")]:
            remove_tree(kept) if kept.is_dir() and not kept.is_symlink() else kept.unlink()
    return Fetched(_folder(directory, repository), found)


class Fetched(NamedTuple):
    """Where the files are, and of which commit."""

    root: Path
    commit: str


def _refuse_options(repository: Repository) -> None:
    for value in (repository.remote, repository.ref, repository.commit):
        if value.startswith("-") or any(character in value for character in "\0\n "):
            raise errors.InvalidInput(f"{value!r} is no name of a repository or of something in it")


def _folder(directory: Path, repository: Repository) -> Path:
    """Return the folder that is asked for; links in the repository cannot lead it out."""
    root = Path(os.path.realpath(directory))
    found = Path(os.path.realpath(root / repository.folder)) if repository.folder else root
    if not found.is_relative_to(root) or not found.is_dir():
        raise errors.NotFound(f"{repository.remote} has no folder {repository.folder}")
    return found


class _Checkout:
    """A repository in a directory."""

    def __init__(self, directory: Path, remote: str) -> None:
        import shutil  # few builds fetch

        program = shutil.which("git")
        if program is None:
            raise errors.Unsupported("git repositories need the program git", "install the package git")
        self._program = program
        self._directory = directory
        self._remote = remote
        self._run("init", "--quiet", "--template=")
        self._run("remote", "add", "origin", "--", remote)

    def take(self, ref: str) -> str:
        """Fetch a branch, tag or commit, check it out, and return the commit."""
        done = self._try("fetch", "--quiet", "--no-tags", "--depth=1", "origin", "--", ref)
        if done.returncode and (b"shallow" in done.stderr or _COMMIT.fullmatch(ref)):
            done = self._all(ref)
        if done.returncode:
            raise self._failed(done, ref)
        name = "FETCH_HEAD" if not _COMMIT.fullmatch(ref) else ref
        self._run("checkout", "--quiet", "--detach", f"{name}^{{commit}}", "--")
        return self._run("rev-parse", "HEAD").stdout.decode().strip()

    def _all(self, ref: str) -> subprocess.CompletedProcess[bytes]:
        """Fetch from a server that gives no single commit, or only whole histories."""
        if _COMMIT.fullmatch(ref):
            return self._try("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
        return self._try("fetch", "--quiet", "--no-tags", "origin", "--", ref)

    def take_submodules(self) -> None:
        if not (self._directory / ".gitmodules").is_file():
            return
        update = ("submodule", "update", "--quiet", "--init", "--recursive")
        done = self._try(*update, "--depth=1")
        if done.returncode and b"shallow" in done.stderr:
            done = self._try(*update)
        if done.returncode:
            raise self._failed(done, "its submodules")

    def _failed(self, done: subprocess.CompletedProcess[bytes], ref: str) -> errors.LabError:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in said if line.startswith("fatal:")), said[-1]).removeprefix("fatal: ")
        if "find remote ref" in reason or "not our ref" in reason or "unknown revision" in reason:
            return errors.NotFound(f"{shown(self._remote)} has no {ref}")
        return errors.Unavailable(f"cannot fetch {ref} of {shown(self._remote)}: {reason}")

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        done = self._try(*words)
        if done.returncode:
            raise self._failed(done, words[-1])
        return done

    def _try(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "LC_ALL": "C",
        }
        import subprocess

        return subprocess.run(
            [self._program, *_ALWAYS, *words],
            cwd=self._directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            umask=0o022,
        )
