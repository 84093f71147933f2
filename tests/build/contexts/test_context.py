"""Where the files of a build come from: folders, streams, repositories, URLs; and which Dockerfile counts."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containerlab import errors
from containerlab.build.contexts import context as contexts
from containerlab.build.contexts.context import Context
from containerlab.store.home import Home
from tests import users
from tests.build import servers
from tests.build.layers_of_copy import layer, make, names
from tests.build.servers import Server

FROM = "FROM scratch\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@contextlib.contextmanager
def opened(home: Home, context: object, stdin: bytes = b"", **options: Any) -> Iterator[Context]:
    with contexts.opened(str(context), None, options, home, io.BytesIO(stdin)) as found:
        yield found
    assert os.listdir(home.temporary) == []


def archive(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o664
            tar.addfile(info, io.BytesIO(content.encode()))
    return stream.getvalue()


def test_a_folder(home: Home, tmp_path: Path) -> None:
    root = make(tmp_path / "c", {"Dockerfile": FROM, ".dockerignore": "*.log\n", "f": "", "x.log": ""})
    with opened(home, root) as context:
        assert context.dockerfile == FROM.encode()
        assert (context.dockerfile_name, context.ignore_name) == ("Dockerfile", ".dockerignore")
        assert context.source.roots == (str(root),)
        assert names(layer(context.source, "*", to="/")) == [".dockerignore", "Dockerfile", "f"]


def test_a_folder_by_a_relative_path(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "c", {"dockerfile": FROM})
    monkeypatch.chdir(tmp_path)
    with opened(home, "c") as context:
        assert context.source.roots == (str(tmp_path / "c"),)
        assert context.dockerfile_name == "dockerfile"


def test_a_home_in_the_context_is_no_part_of_it(tmp_path: Path) -> None:
    root = make(tmp_path / "c", {"Dockerfile": FROM, "sub/f": "", ".dockerignore": "!sub\n"})
    inside = Home.open(root / "sub/!my [home]*")
    with contexts.opened(str(root), None, {}, inside) as context:
        copied = names(layer(context.source, ".", to="/n"))
    assert copied == ["n", "n/.dockerignore", "n/Dockerfile", "n/sub", "n/sub/f"]


def test_which_dockerfile_counts(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "c", {"Dockerfile": "default", "docker/web": "in the context", "both": "in the context"})
    make(tmp_path / "here", {"both": "here", "only": "here"})
    monkeypatch.chdir(tmp_path / "here")
    root = tmp_path / "c"
    for file, content in (("docker/web", "in the context"), ("both", "here"), ("only", "here")):
        with opened(home, root, file=file) as context:
            assert (context.dockerfile.decode(), context.dockerfile_name) == (content, file)
    with opened(home, root, file=str(tmp_path / "here/only")) as context:
        assert context.dockerfile == b"here"
    with opened(home, root, b"from standard input", file="-") as context:
        assert context.dockerfile == b"from standard input"
        assert context.source.roots == (str(root),)
    with contexts.opened(str(root), "as text", {}, home) as context:
        assert context.dockerfile == b"as text"


def test_which_ignore_file_counts(home: Home, tmp_path: Path) -> None:
    files = {"web": FROM, "web.dockerignore": "a", ".dockerignore": "b", "other": FROM, "ignore": "!c\n"}
    root = make(tmp_path / "c", files)
    for options, patterns, name in (
        ({"file": f"{root}/web"}, ("a",), "web.dockerignore"),
        ({"file": f"{root}/other"}, ("b",), ".dockerignore"),
        ({"file": f"{root}/web", "ignore_file": f"{root}/ignore"}, ("!c",), f"{root}/ignore"),
    ):
        with opened(home, root, **options) as context:
            assert (context.source.ignore, context.ignore_name) == (patterns, name)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_an_archive_on_standard_input(home: Home, compress: Any) -> None:
    files = {"./Dockerfile": FROM, "sub/other": "OTHER", ".dockerignore": "secret", "secret": "", ".wh.f": ""}
    data = compress(archive(files))
    with opened(home, "-", data) as context:
        assert context.dockerfile == FROM.encode()
        assert context.source.ignore == ("secret",)
        root = Path(context.source.roots[0])
        assert (root / "sub/other").stat().st_mode & 0o777 == 0o664
        assert (root / ".wh.f").exists()
    with opened(home, "-", data, file="sub/other") as context:
        assert (context.dockerfile, context.dockerfile_name) == (b"OTHER", "sub/other")


def test_a_dockerfile_alone_on_standard_input(home: Home) -> None:
    with opened(home, "-", FROM.encode()) as context:
        assert context.dockerfile == FROM.encode()
        assert os.listdir(context.source.roots[0]) == []
        with pytest.raises(errors.NotFound):
            layer(context.source, "f", to="/")


@pytest.mark.parametrize(
    ("stdin", "options", "complaint"),
    [
        (b"", {}, "there is nothing in standard input"),
        (b"\x00\x01binary", {}, "neither a tar archive nor a Dockerfile"),
        (FROM.encode(), {"file": "x"}, "a Dockerfile came instead of files"),
        (archive({"f": ""}), {}, "there is no Dockerfile"),
        (archive({"f": ""}), {"file": "/etc/passwd"}, "there is no Dockerfile at /etc/passwd"),
        (archive({"../out": ""}), {}, "leads out"),
        (gzip.compress(archive({"f": "x" * 100_000}))[:-20], {}, "cut off"),
        (FROM.encode(), {"file": "-"}, "cannot be both"),
    ],
)
def test_streams_that_are_no_context(
    home: Home, stdin: bytes, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(errors.LabError, match=complaint), opened(home, "-", stdin, **options):
        pass
    assert os.listdir(home.temporary) == []


@pytest.mark.root
@pytest.mark.slow
def test_an_archive_with_folders_that_deny_writing(single_id_user: users.User) -> None:
    script = """
import io, os, tarfile
from containerlab.build.contexts import context as contexts
from containerlab.store.home import Home

stream = io.BytesIO()
with tarfile.open(fileobj=stream, mode="w") as archive:
    modes = (("d/", 0o555), ("d/e/", 0o500), ("Dockerfile", 0o444), ("d/f", 0o444), ("d/e/g", 0o444))
    for name, mode in modes:
        info = tarfile.TarInfo(name)
        info.mode, info.type = mode, tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
        archive.addfile(info)
home = Home.open("denying")
with contexts.opened("-", None, {}, home, io.BytesIO(stream.getvalue())) as context:
    root = context.source.roots[0]
    print(*(oct(os.stat(f"{root}/{path}").st_mode)[-3:] for path in ("d", "d/e", "d/e/g")))
print(os.listdir(home.temporary))
"""
    done = single_id_user.script(script)
    assert done.stdout.splitlines() == ["555 500 444", "[]"], done.stderr


def linked(name: str) -> bytes:
    """Return the end of an archive: a link to a file of this machine."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    return stream.getvalue()


def test_files_of_an_archive_that_are_read_cannot_be_links_out_of_it(home: Home) -> None:
    with pytest.raises(errors.NotFound, match="no Dockerfile"), opened(home, "-", linked("Dockerfile")):
        pass
    data = archive({"Dockerfile": FROM})[:1024] + linked(".dockerignore")
    with opened(home, "-", data) as context:
        assert context.source.ignore == ()


def test_what_is_not_there(home: Home, tmp_path: Path) -> None:
    root = make(tmp_path / "project", {"f": "", "Containerfile": FROM, "web.Dockerfile": FROM})
    with pytest.raises(errors.NotFound, match=r"there is Containerfile, web.Dockerfile: name it with -f"):
        contexts.opened(str(root), None, {}, home).__enter__()
    with pytest.raises(errors.NotFound, match=r"no folder .*/projekt \(did you mean project\?\)"):
        contexts.opened(f"{root.parent}/projekt", None, {}, home).__enter__()
    with pytest.raises(errors.InvalidInput, match="is no folder"):
        contexts.opened(f"{root}/f", None, {}, home).__enter__()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with servers.serving() as server:
        server.folder = tmp_path / "served"
        server.folder.mkdir()
        yield server


@pytest.mark.system("git")
@pytest.mark.slow
def test_a_repository(home: Home, server: Server) -> None:
    assert server.folder is not None
    make(server.folder / "r", {"Dockerfile": FROM, "sub/Dockerfile": "SUB", "sub/.dockerignore": "x"})
    commit = servers.commit(server.folder / "r")
    with opened(home, f"{server.url}/r/.git") as context:
        assert (context.dockerfile, context.commit) == (FROM.encode(), commit)
        assert context.origin == f"{server.url}/r/.git"
    with opened(home, f"{server.url}/r/.git#:sub") as context:
        assert (context.dockerfile, context.source.ignore) == (b"SUB", ("x",))
    with opened(home, f"{server.url}/r/.git", build_arg=("BUILDKIT_CONTEXT_KEEP_GIT_DIR=1",)) as context:
        assert Path(context.source.roots[0], ".git/HEAD").exists()


def test_urls(home: Home, server: Server) -> None:
    server.files = {"/c.tar.gz": gzip.compress(archive({"Dockerfile": "IN", "f": ""})), "/D": b"ALONE"}
    with opened(home, f"{server.url}/c.tar.gz") as context:
        assert context.dockerfile == b"IN"
        assert names(layer(context.source, "f", to="/")) == ["f"]
    with opened(home, f"{server.url}/D") as context:
        assert (context.dockerfile, os.listdir(context.source.roots[0])) == (b"ALONE", [])


def test_named_contexts_have_ignore_files_too(home: Home, server: Server, tmp_path: Path) -> None:
    root = make(tmp_path / "c", {"f": "", "g": "", ".dockerignore": "g\n"})
    with contexts.files(str(root), home) as source:
        assert names(layer(source, "?", to="/")) == ["f"]
    server.files = {"/c.tar": archive({"f": ""}), "/D": b"text"}
    with contexts.files(f"{server.url}/c.tar", home) as source:
        assert names(layer(source, "f", to="/")) == ["f"]
    with pytest.raises(errors.InvalidInput, match="no archive"), contexts.files(f"{server.url}/D", home):
        pass
