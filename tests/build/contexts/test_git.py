"""Git repositories: what their URLs ask for, and what is checked out, from a server and from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.contexts import git
from containerlab.build.contexts.git import Repository
from tests.build import servers
from tests.build.layers_of_copy import make
from tests.build.servers import Server, commit

pytestmark = pytest.mark.system("git")


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("https://h/r.git", Repository("https://h/r.git")),
        ("https://h/r.git#v1", Repository("https://h/r.git", "v1")),
        ("https://h/r.git#:sub/folder", Repository("https://h/r.git", "", "sub/folder")),
        ("git://h/r#v1:sub", Repository("git://h/r", "v1", "sub")),
        ("ssh://git@h:22/r#v1", Repository("ssh://git@h:22/r", "v1")),
        ("git@h:me/r.git#main:d", Repository("git@h:me/r.git", "main", "d")),
        ("https://h/r.git?branch=b&subdir=s", Repository("https://h/r.git", "refs/heads/b", "s")),
        (
            "https://h/r.git?tag=v1&keep-git-dir=1",
            Repository("https://h/r.git", "refs/tags/v1", "", "", True),
        ),
        ("https://h/r.git?ref=x&submodules=0", Repository("https://h/r.git", "x", "", "", None, False)),
        ("https://h/r.git?checksum=abc", Repository("https://h/r.git", "abc", "", "abc")),
        ("https://h/r", None),
        ("https://h/r.git/x", None),
        ("github.com/me/r", None),
        ("./r.git", None),
        ("/abs/r.git", None),
        ("file:///r.git", None),
        ("folder", None),
    ],
)
def test_urls(text: str, repository: Repository | None) -> None:
    assert git.parse(text) == repository


def test_a_context_at_github_needs_no_scheme() -> None:
    assert git.parse("github.com/me/r#v1", is_context=True) == Repository("https://github.com/me/r", "v1")


@pytest.mark.parametrize(
    "text",
    [
        "https://h/r.git?reff=x",
        "https://h/r.git?ref=a#b",
        "https://h/r.git?tag=a&branch=b",
        "https://h/r.git?ref=",
        "https://h/r.git?submodules=maybe",
        "https://h/r.git?checksum=a&commit=b",
    ],
)
def test_urls_that_contradict_themselves(text: str) -> None:
    with pytest.raises(errors.InvalidInput):
        git.parse(text)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with servers.serving() as server:
        yield server


@pytest.fixture(scope="module")
def commits(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Serve a repository with two commits, the first called v1, and a submodule."""
    place = tmp_path_factory.mktemp("repositories")
    server.folder = place
    library = make(place / "library", {"lib.c": "lib"})
    commit(library)
    folder = make(place / "app", {"f": "one", "sub/g": "g", "l": "-> /etc", "sub/out": "-> ../../.."})
    (folder / "f").chmod(0o755)
    found = [commit(folder)]
    servers.git(folder, "tag", "--annotate", "--message", "first", "v1")
    servers.git(folder, "submodule", "add", "--quiet", f"{server.url}/library/.git", "library")
    (folder / "f").write_text("two")
    return [*found, commit(folder)]


def fetched(url: str, place: Path, **options: object) -> git.Fetched:
    repository = git.parse(url)
    assert repository is not None
    place.mkdir()
    return git.fetch(repository, place, **options)


@pytest.mark.slow
def test_the_default_branch_with_its_submodules(server: Server, commits: list[str], tmp_path: Path) -> None:
    found = fetched(f"{server.url}/app/.git", tmp_path / "out")
    assert found.commit == commits[1]
    assert (found.root / "f").read_text() == "two"
    assert (found.root / "f").stat().st_mode & 0o777 == 0o755
    assert (found.root / "library/lib.c").read_text() == "lib"
    assert not list(found.root.rglob(".git"))


@pytest.mark.slow
def test_a_tag_a_branch_and_a_commit(server: Server, commits: list[str], tmp_path: Path) -> None:
    for number, ref in enumerate(("v1", "refs/tags/v1", commits[0])):
        found = fetched(f"{server.url}/app/.git#{ref}", tmp_path / str(number))
        assert (found.commit, (found.root / "f").read_text()) == (commits[0], "one")
    assert fetched(f"{server.url}/app/.git#main", tmp_path / "main").commit == commits[1]


@pytest.mark.slow
def test_a_folder_of_it_without_submodules_with_its_history(
    server: Server, commits: list[str], tmp_path: Path
) -> None:
    found = fetched(f"{server.url}/app/.git?subdir=sub&submodules=false&keep-git-dir=true", tmp_path / "out")
    assert (found.root / "g").read_text() == "g"
    assert (tmp_path / "out/.git").is_dir()
    assert not list((tmp_path / "out/library").iterdir())
    assert (tmp_path / "out/.git").is_dir()


@pytest.mark.slow
def test_a_promised_commit(server: Server, commits: list[str], tmp_path: Path) -> None:
    url = f"{server.url}/app/.git"
    assert fetched(f"{url}?ref=v1&checksum={commits[0][:12]}", tmp_path / "1").commit == commits[0]
    assert fetched(f"{url}#v1", tmp_path / "2", commit=commits[0]).commit == commits[0]
    with pytest.raises(errors.DigestMismatch, match=f"v1 is {commits[0]}"):
        fetched(f"{url}#v1", tmp_path / "3", commit=commits[1])
    with pytest.raises(errors.InvalidInput, match="two values of commit"):
        fetched(f"{url}?checksum={commits[0]}", tmp_path / "4", commit=commits[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ("app/.git#nothing", "has no nothing"),
        ("app/.git#:nothing", "has no folder nothing"),
        ("app/.git#:l", "has no folder l"),
        ("app/.git#:sub/out", "has no folder sub/out"),
        ("app/.git#:f", "has no folder f"),
        ("none.git", "cannot fetch HEAD of"),
    ],
)
def test_what_is_not_there(
    server: Server, commits: list[str], tmp_path: Path, rest: str, complaint: str
) -> None:
    with pytest.raises((errors.NotFound, errors.Unavailable), match=complaint):
        fetched(f"{server.url}/{rest}", tmp_path / "out")


def test_no_option_can_be_smuggled_in(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput):
        fetched("https://h/r.git#--upload-pack=touch", tmp_path / "out")


@pytest.mark.slow
def test_no_hook_runs_and_no_setting_of_the_caller_counts(
    server: Server, commits: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = make(tmp_path / "hooks", {"post-checkout": f"#!/bin/sh\ntouch {tmp_path}/ran\n"})
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    fetched(f"{server.url}/app/.git", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_submodule_cannot_be_a_folder_of_this_machine(server: Server, tmp_path: Path) -> None:
    assert server.folder is not None
    private = make(tmp_path / "private", {"secret": "x"})
    commit(private)
    folder = make(server.folder / "hostile", {"f": ""})
    commit(folder)
    servers.git(folder, "submodule", "add", "--quiet", str(private), "stolen")
    commit(folder)
    with pytest.raises(errors.Unavailable, match="its submodules"):
        fetched(f"{server.url}/hostile/.git", tmp_path / "out")


def test_passwords_are_not_shown(server: Server, tmp_path: Path) -> None:
    url = server.url.replace("//", "//me:open-sesame@")
    with pytest.raises(errors.LabError) as caught:
        fetched(f"{url}/none.git", tmp_path / "out")
    assert "open-sesame" not in str(caught.value)


def test_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(errors.Unsupported, match="need the program git"):
        fetched("https://h/r.git", tmp_path / "out")
