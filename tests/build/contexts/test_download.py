"""Downloads: what is kept, what is asked again, what is refused."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.contexts.download import download, kept, name_of, remove
from containerlab.build.contexts.remote import Remotes, is_remote, selected
from containerlab.store.home import Home
from tests.build import servers
from tests.build.layers_of_copy import layer, lines, members
from tests.build.servers import Server

DATE, SECONDS = "Sun, 06 Nov 1994 08:49:37 GMT", 784111777


@pytest.fixture
def server() -> Iterator[Server]:
    with servers.serving() as server:
        server.files["/f"] = b"content"
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_has_the_time_that_the_server_says(server: Server, home: Home) -> None:
    server.headers["Last-Modified"] = DATE
    found = download(f"{server.url}/f", home)
    assert found.path.read_bytes() == b"content"
    assert sha256(b"content") == f"sha256:{found.digest}"
    status = found.path.stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o600, SECONDS)


def test_without_a_time_it_is_of_1970(server: Server, home: Home) -> None:
    assert download(f"{server.url}/f", home).path.stat().st_mtime == 0


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_what_has_not_changed_is_not_sent_again(server: Server, home: Home, header: str) -> None:
    server.headers[header] = '"one"' if header == "ETag" else DATE
    first = download(f"{server.url}/f", home)
    server.files["/f"] = b"never seen"
    assert download(f"{server.url}/f", home) == first
    assert first.path.read_bytes() == b"content"
    assert server.said == ["/f", f"/f {server.headers[header]}"]


def test_what_has_changed_is(server: Server, home: Home) -> None:
    server.headers["ETag"] = '"one"'
    download(f"{server.url}/f", home)
    server.headers["ETag"], server.files["/f"] = '"two"', b"new"
    assert download(f"{server.url}/f", home).path.read_bytes() == b"new"


def test_with_a_checksum_nobody_is_asked_again(server: Server, home: Home) -> None:
    for checksum in (sha256(b"content"), f"sha512:{hashlib.sha512(b'content').hexdigest()}"):
        for _ in range(2):
            assert download(f"{server.url}/f", home, checksum).path.read_bytes() == b"content"
    assert len(server.said) == 1


def test_another_content_than_promised(server: Server, home: Home) -> None:
    with pytest.raises(errors.DigestMismatch, match=f"is {sha256(b'content')}, not {sha256(b'other')}"):
        download(f"{server.url}/f", home, sha256(b"other"))


@pytest.mark.parametrize("checksum", ["sha256:12", "md5:" + "0" * 32, "0" * 64, "sha256:" + "G" * 64])
def test_what_is_no_checksum(server: Server, home: Home, checksum: str) -> None:
    with pytest.raises(errors.InvalidInput, match="--checksum"):
        download(f"{server.url}/f", home, checksum)


def test_redirects_are_followed_but_not_to_files(server: Server, home: Home) -> None:
    server.redirects["/r"] = f"{server.url}/f"
    assert download(f"{server.url}/r", home).path.read_bytes() == b"content"
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/f"):
        server.redirects["/r"] = target
        with pytest.raises(errors.NotPermitted, match="not followed"):
            download(f"{server.url}/r", home)


def test_what_fails_leaves_nothing(server: Server, home: Home) -> None:
    with pytest.raises(errors.NotFound, match="404"):
        download(f"{server.url}/none", home)
    server.is_cut_off = True
    with pytest.raises(errors.Unavailable, match="cannot fetch"):
        download(f"{server.url}/f", home)
    with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1/f: Connection refused"):
        download("http://127.0.0.1:1/f", home)
    assert os.listdir(home.temporary) == []
    assert not list(home.cache.rglob("content"))


def test_a_failure_keeps_what_was_there(server: Server, home: Home) -> None:
    first = download(f"{server.url}/f", home)
    server.is_cut_off = True
    with pytest.raises(errors.Unavailable):
        download(f"{server.url}/f", home)
    assert first.path.read_bytes() == b"content"


def test_several_at_once(server: Server, home: Home) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(download(f"{server.url}/f", home).path.read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"content"] * 4


def test_what_is_kept_can_be_seen_and_removed(server: Server, home: Home) -> None:
    assert kept(home) == []
    found = download(f"{server.url.replace('//', '//me:open-sesame@')}/f", home)
    entry = kept(home)[0]
    assert (entry.url, entry.size_bytes) == (f"{server.url}/f", 7)
    with Remotes(home) as remotes:
        source = remotes.fetch(f"{server.url}/f")
        for each in kept(home):
            remove(home, each.id)
        assert (Path(source.roots[0]) / "f").read_bytes() == b"content"
    assert kept(home) == []
    assert not found.path.exists()


def test_names() -> None:
    assert name_of("https://h/a/b.tar.gz?x=/y#z") == "b.tar.gz"
    assert name_of("https://h/a/") == "a"
    assert name_of("https://h/..") == "__unnamed__"
    assert name_of("https://h/a%2Fb") == "b"


def test_a_password_is_for_its_own_host(server: Server, home: Home) -> None:
    server.redirects["/r"] = f"{server.url.replace('127.0.0.1', 'localhost')}/f"
    download(f"{server.url.replace('//', '//me:open%2Fsesame@')}/r", home)
    assert server.authorizations == ["Basic bWU6b3Blbi9zZXNhbWU=", None]


def test_passwords_are_not_shown(server: Server, home: Home) -> None:
    with pytest.raises(errors.NotFound) as caught:
        download(f"{server.url.replace('//', '//me:open-sesame@')}/none", home)
    assert "open-sesame" not in str(caught.value)


# --- ADD ------------------------------------------------------------------------------------------


def test_add_of_a_file(server: Server, home: Home) -> None:
    server.headers["Last-Modified"] = DATE
    with Remotes(home) as remotes:
        source = remotes.fetch(f"{server.url}/f")
        data = layer(source, selected(f"{server.url}/f"), to="/n/")
        assert lines(data) == ["n/ 755 0:0", "n/f 600 0:0 content"]
        assert members(data)[1].mtime == SECONDS
        assert lines(layer(source, "*", to="/m")) == ["m 600 0:0 content"]
    assert os.listdir(home.temporary) == []


@pytest.mark.system("git")
@pytest.mark.slow
def test_add_of_a_repository(server: Server, home: Home, tmp_path: Path) -> None:
    server.folder = tmp_path
    (tmp_path / "r").mkdir()
    (tmp_path / "r/sub").mkdir()
    (tmp_path / "r/sub/f").write_text("f")
    revision = servers.commit(tmp_path / "r")
    url = f"{server.url}/r/.git"
    with Remotes(home) as remotes:
        source = remotes.fetch(url, revision)
        assert lines(layer(source, selected(url), to="/n")) == [
            *("n/ 755 0:0", "n/sub/ 755 0:0", "n/sub/f 644 0:0 f")
        ]
        kept = remotes.fetch(url, keeps_git_dir=True)
        assert "n/.git/HEAD" in {member.name for member in members(layer(kept, selected(url), to="/n"))}
    assert os.listdir(home.temporary) == []


def test_what_is_remote() -> None:
    assert is_remote("https://h/f")
    assert is_remote("git@h:r")
    assert not is_remote("github.com/me/r")
    assert not is_remote("file:///f")
