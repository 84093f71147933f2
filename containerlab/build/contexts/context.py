"""Where the files of a build come from, and its Dockerfile.

A folder; a tar archive or a Dockerfile alone on standard input; a git repository; an archive or a Dockerfile
at an http URL. What was fetched lies in a scratch directory and goes away at the end.
Source: docs.docker.com, "Build context"; BuildKit, frontend/dockerui.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from containerlab import errors
from containerlab.build.contexts import git
from containerlab.build.contexts.urls import shown
from containerlab.build.files import ignore
from containerlab.build.files.selection import Source
from containerlab.store.home import Home

if TYPE_CHECKING:
    from containerlab.store.compression import Readable

__all__ = ["Context", "files", "opened"]

_STANDARD_INPUT = "-"
_NAMES = ("Dockerfile", "dockerfile")
_BLOCK = 512
_CHUNK = 1 << 18
_MOST_BYTES = 16 << 20


class Context(NamedTuple):
    """The files of a build, and its Dockerfile with the name that it has for people.

    ignore_name: the file that says what is left out, "" for none. origin: the URL that all came from, "" when
    it was here. commit: of a git repository.
    """

    source: Source
    dockerfile: bytes
    dockerfile_name: str
    ignore_name: str = ""
    origin: str = ""
    commit: str = ""


@contextlib.contextmanager
def opened(
    context: str,
    dockerfile: str | None,
    options: Mapping[str, Any],
    home: Home,
    stdin: BinaryIO | None = None,
) -> Iterator[Context]:
    """Give the context of a build; what was fetched for it is removed at the end.

    context: a folder, `-` or a URL. dockerfile: its text, when it does not come from a file.
    options: `file` and `ignore_file` count. stdin: what `-` means; this process's own by default.

    Raises: NotFound, InvalidInput, and what fetching and unpacking raise.
    """
    with contextlib.ExitStack() as stack:
        yield _Opening(dockerfile, options, home, stdin, stack).open(context)


@contextlib.contextmanager
def files(place: str, home: Home) -> Iterator[Source]:
    """Give the files of a named context: a folder, or what is at a URL, without what its .dockerignore names.

    Raises: as `opened`.
    """
    with contextlib.ExitStack() as stack:
        yield _Opening(None, {}, home, None, stack).files(place)


class _Files(NamedTuple):
    """A tree that the context is, None for no files, and where it came from."""

    root: Path | None
    origin: str = ""
    commit: str = ""
    dockerfile: bytes | None = None


class _Opening:
    def __init__(
        self,
        dockerfile: str | None,
        options: Mapping[str, Any],
        home: Home,
        stdin: BinaryIO | None,
        stack: contextlib.ExitStack,
    ) -> None:
        self._dockerfile = None if dockerfile is None else dockerfile.encode()
        self._file: str = options.get("file") or ""
        self._ignore_file: str = options.get("ignore_file") or ""
        self._keeps_git_dir = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1" in options.get("build_arg", ())
        self._home = home
        self._stdin = stdin
        self._stack = stack

    def open(self, context: str) -> Context:
        if context == self._file == _STANDARD_INPUT:
            raise errors.InvalidInput(
                "standard input cannot be both the context and the Dockerfile",
                "name a folder, or a file with -f",
            )
        files = self._files(context)
        name, place, content = self._found_dockerfile(files)
        patterns, ignore_name = self._ignored(files, place)
        source = self._source(files, patterns)
        return Context(source, content, name, ignore_name, files.origin, files.commit)

    def _source(self, files: _Files, patterns: tuple[str, ...]) -> Source:
        """Return the tree of a context; a home in it, to which the build itself writes, is no part of it."""
        if files.root is None:
            return Source((str(self._scratch()),), patterns, is_context=True)  # COPY . gives an empty folder
        home = os.path.relpath(os.path.realpath(self._home.root), os.path.realpath(files.root))
        if self._is_here(files.root) and home != "." and not home.startswith("../"):
            patterns = (*patterns, re.sub(r"([][*?\\!])", r"\\\1", home))
        return Source((str(files.root),), patterns, is_context=True)

    def files(self, place: str) -> Source:
        """Open a context of which no Dockerfile is wanted."""
        files = self._files(place)
        if files.root is None:
            raise errors.InvalidInput(f"{place} is no archive, and so no context", "use ADD for a file")
        return self._source(files, self._ignored(files, None)[0])

    # --- the files ----------------------------------------------------------------------------------

    def _files(self, context: str) -> _Files:
        if context == _STANDARD_INPUT:
            return self._from_stream(self._standard_input(), "standard input")
        if os.path.isdir(context):
            return _Files(Path(os.path.abspath(context)))
        repository = git.parse(context, is_context=True)
        if repository is not None:
            fetched = git.fetch(repository, self._scratch(), keeps_git_dir=self._keeps_git_dir)
            return _Files(fetched.root, shown(context), fetched.commit)
        if context.startswith(("http://", "https://")):
            from containerlab.build.contexts.download import download  # half a build's start

            found = download(context, self._home)
            with open(found.path, "rb") as file:
                return self._from_stream(file, context)._replace(origin=shown(context))
        raise _no_folder(context)

    def _from_stream(self, stream: Readable, shown: str) -> _Files:
        """Read an archive, or else a Dockerfile without any files."""
        # What decompresses and unpacks is not loaded for a folder.
        from containerlab.store.compression import begun
        from containerlab.store.compression import opened as decompressed
        from containerlab.store.layer_processes import unpack_plain
        from containerlab.store.tar_read import is_header

        _, whole = begun(stream)
        plain = decompressed(whole)
        start = plain.read(_BLOCK)
        if not is_header(start):
            content = start + plain.read(_MOST_BYTES)
            if not content.strip():
                raise errors.InvalidInput(
                    f"there is nothing in {shown}", "send a Dockerfile, or a tar archive"
                )
            if b"\0" in content:
                raise errors.InvalidInput(f"{shown} is neither a tar archive nor a Dockerfile")
            return _Files(None, dockerfile=content)
        root = self._scratch()
        unpack_plain(root, itertools.chain([start], iter(lambda: plain.read(_CHUNK), b"")))
        return _Files(root)

    def _scratch(self) -> Path:
        return self._stack.enter_context(self._home.scratch("context-"))

    def _standard_input(self) -> BinaryIO:
        if self._stdin is not None:
            return self._stdin
        if sys.stdin is None or not hasattr(sys.stdin, "buffer"):
            raise errors.InvalidInput("there is no standard input to read", "name a folder")
        return sys.stdin.buffer

    # --- the Dockerfile -----------------------------------------------------------------------------

    def _found_dockerfile(self, files: _Files) -> tuple[str, Path | None, bytes]:
        """Return the Dockerfile's name, its place if it is a file, and its content."""
        if self._dockerfile is not None:
            return "Dockerfile", None, self._dockerfile
        if self._file == _STANDARD_INPUT:
            return "Dockerfile", None, self._standard_input().read()
        if files.root is None:
            if self._file:
                raise errors.InvalidInput(
                    f"-f {self._file}: a Dockerfile came instead of files", "leave -f out, or send an archive"
                )
            return "Dockerfile", None, files.dockerfile or b""
        place = self._place(files.root, is_here=self._is_here(files.root))
        return self._file or place.name, place, _read(place)

    def _is_here(self, root: Path) -> bool:
        """Tell whether the files are the user's own: links of what was fetched must not lead out of it."""
        return not root.is_relative_to(self._home.temporary)

    def _place(self, root: Path, *, is_here: bool) -> Path:
        """Find the Dockerfile: as the path is written, or else in the context, where alone others may lie."""
        if not self._file:
            candidates = [root / name for name in _NAMES]
        else:
            candidates = [Path(os.path.abspath(self._file))] if is_here else []
            candidates.append(root / self._file)
        for place in candidates:
            if place.is_file() and (is_here or place.resolve().is_relative_to(root.resolve())):
                return place
        raise errors.NotFound(
            f"there is no Dockerfile at {self._file or root / _NAMES[0]}", _like_dockerfiles(root)
        )

    # --- what is left out ---------------------------------------------------------------------------

    def _ignored(self, files: _Files, dockerfile: Path | None) -> tuple[tuple[str, ...], str]:
        """Return the patterns of the ignore file, and its name; one beside the Dockerfile comes first."""
        if self._ignore_file:
            return ignore.read(
                _read(Path(self._ignore_file)).decode(errors="surrogateescape")
            ), self._ignore_file
        places = [dockerfile.with_name(f"{dockerfile.name}.dockerignore")] if dockerfile else []
        places += [files.root / ".dockerignore"] if files.root else []
        for place in places:
            if place.is_file() and (not place.is_symlink() or self._is_here(place)):
                return ignore.read(_read(place).decode(errors="surrogateescape")), place.name
        return (), ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.of_the_system(error, "read") from error


def _no_folder(context: str) -> errors.LabError:
    if os.path.exists(context):
        return errors.InvalidInput(f"the context {context} is no folder", "name it with -f, and a folder")
    above = os.path.dirname(os.path.abspath(context))
    known = [entry.name for entry in os.scandir(above) if entry.is_dir()] if os.path.isdir(above) else []
    return errors.NotFound(f"there is no folder {context}", errors.nearest(os.path.basename(context), known))


def _like_dockerfiles(root: Path) -> str:
    """Say which files look as if one of them was meant."""
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_file())
    found = [name for name in names if "dockerfile" in name.lower() or name == "Containerfile"]
    found = [name for name in found if not name.endswith(".dockerignore")]
    return f"there is {', '.join(found[:5])}: name it with -f" if found else "name it with -f"
