"""What ADD gets from elsewhere: files and repositories at URLs.

Source: Dockerfile reference, "ADD".
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from containerlab.build.contexts import git
from containerlab.build.files.selection import Source
from containerlab.store.home import Home

__all__ = ["Remotes", "is_remote", "selected"]


def is_remote(text: str) -> bool:
    """Tell whether a source of ADD is to be fetched.

    >>> is_remote("https://example.com/x"), is_remote("git@example.com:me/it.git"), is_remote("src")
    (True, True, False)
    """
    return text.startswith(("http://", "https://")) or git.parse(text) is not None


def selected(text: str) -> str:
    """Return the path that stands for all of what comes from a URL: a repository's files, or the one file."""
    return "/" if git.parse(text) is not None else "*"


class Remotes:
    """Fetches for one build; what was fetched goes away when the `with` block ends."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Remotes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fetch(self, url: str, checksum: str = "", *, keeps_git_dir: bool = False) -> Source:
        """Return the files at a URL as a tree; `selected` says which of them are meant.

        Raises: NotFound, NotPermitted, Unavailable, DigestMismatch, InvalidInput, Unsupported.
        """
        scratch = self._stack.enter_context(self._home.scratch("fetch-"))
        repository = git.parse(url)
        if repository is not None:
            found = git.fetch(repository, scratch, keeps_git_dir=keeps_git_dir, commit=checksum)
            return Source((str(found.root),), is_context=True)
        from containerlab.build.contexts.download import download, name_of  # loads http.client and ssl

        file = download(url, self._home, checksum)
        _place(file.path, scratch / name_of(url))
        return Source((str(scratch),), is_context=True)


def _place(file: Path, name: Path) -> None:
    """Give a file of the cache its name for this build."""
    try:
        os.link(file, name)
    except OSError:  # too many links
        import shutil  # few builds fetch

        shutil.copy2(file, name)
