"""Which files COPY and ADD take, and where they arrive: what BuildKit does, said in names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.files import select
from containerlab.build.files.selection import Source
from tests.build.layers_of_copy import context, layer, lines, make, names

FILES = {
    "a/x.txt": "x",
    "a/y.md": "y",
    "a/b/z.txt": "z",
    "a/l": "-> x.txt",
    "c/one.txt": "one",
    "d/e/f/deep.txt": "deep",
    "empty": None,
    "top.txt": "top",
    "arr[0].txt": "arr",
    "la": "-> a",
    "lt": "-> top.txt",
    "up": "-> ../../../top.txt",
    "away": "-> /etc/hostname",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "context", FILES)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return what an image has below."""
    files: dict[str, str | bytes | None] = {
        "etc": None,
        "opt/sub/old": "old",
        "opt/f": "f",
        "opt/ls": "-> sub",
        "real": None,
        "ln": "-> /real",
        "dangling": "-> nowhere/deep",
        "file": "file",
    }
    return make(tmp_path / "image", files)


@pytest.mark.parametrize(
    ("paths", "to", "arrives"),
    [
        (["a"], "/n", ["n", "n/l", "n/x.txt", "n/y.md", "n/b", "n/b/z.txt"]),
        (["a/"], "/n/", ["n", "n/l", "n/x.txt", "n/y.md", "n/b", "n/b/z.txt"]),
        (["a/x.txt"], "/n", ["n"]),
        (["a/x.txt"], "/n/", ["n", "n/x.txt"]),
        (["a/x.txt"], "/n/m", ["n", "n/m"]),
        (["a/x.txt"], "/opt", ["opt", "opt/x.txt"]),
        (["a/x.txt"], "/ln", ["real", "real/x.txt"]),
        (["a/x.txt"], "/ln/", ["real", "real/x.txt"]),
        (["c"], "/ln", ["real", "real/one.txt"]),
        (["a/x.txt"], "/dangling", ["nowhere", "nowhere/deep"]),
        (["a/x.txt"], "/opt/ls/", ["opt", "opt/sub", "opt/sub/x.txt"]),
        (["a/x.txt"], "/", ["x.txt"]),
        (["c"], "/", ["one.txt"]),
        (["a/x.txt", "top.txt"], "/n/", ["n", "n/x.txt", "n/top.txt"]),
        (["a/x.txt", "top.txt"], "/etc", ["etc", "etc/x.txt", "etc/top.txt"]),
        (["c", "empty"], "/n", ["n", "n/one.txt", "n"]),
        (["*.txt"], "/n/", ["n", "n/arr[0].txt", "n/top.txt"]),
        (["*/*.txt"], "/n/", ["n", "n/x.txt", "n/one.txt"]),
        (["a/?.md"], "/n/", ["n", "n/y.md"]),
        (["a/*"], "/n/", ["n", "n/z.txt", "n/l", "n/x.txt", "n/y.md"]),
        (["arr[[]0].txt"], "/n/", ["n", "n/arr[0].txt"]),
        (["arr\\[0].txt"], "/n/", ["n", "n/arr[0].txt"]),
        (["top.txt", "nothing*"], "/n/", ["n", "n/top.txt"]),
        (["la/x.txt"], "/n/", ["n", "n/x.txt"]),
        (["la/*.md"], "/n/", ["n", "n/y.md"]),
        (["*/y.md"], "/n/", ["n", "n/y.md"]),
        (["../../top.txt"], "/n/", ["n", "n/top.txt"]),
        (["a/../top.txt/"], "/n/", ["n", "n/top.txt"]),
    ],
)
def test_what_arrives_where(tree: Path, image: Path, paths: list[str], to: str, arrives: list[str]) -> None:
    assert names(layer(context(tree), *paths, to=to, onto=(image,))) == arrives


def test_a_source_that_is_a_link_is_followed_inside_the_root_and_keeps_its_name(tree: Path) -> None:
    copied = lines(layer(context(tree), "lt", "up", to="/n/"))
    assert copied == ["n/ 755 0:0", "n/lt 644 0:0 top", "n/up 644 0:0 top"]


def test_links_in_a_folder_stay_links(tree: Path) -> None:
    assert "n/l 777 0:0 -> x.txt" in lines(layer(context(tree), "a", to="/n"))


def test_a_link_out_of_the_context_leads_nowhere(tree: Path) -> None:
    with pytest.raises(errors.NotFound, match="away, a link to etc/hostname: it is not there"):
        layer(context(tree), "away", to="/n")


def test_links_in_circles(tmp_path: Path) -> None:
    tree = make(tmp_path / "context", {"p": "-> q", "q": "-> p"})
    with pytest.raises(OSError, match=r"[Tt]oo many"):
        layer(context(tree), "p", to="/n")


def test_what_is_missing_is_named_with_the_nearest(tree: Path) -> None:
    with pytest.raises(
        errors.NotFound, match=r"cannot copy c/on.txt: it is not there \(did you mean one.txt\?\)"
    ):
        layer(context(tree), "c/on.txt", to="/n")


def test_what_is_ignored_is_named_so(tree: Path) -> None:
    with pytest.raises(errors.NotFound, match=r"a/x.txt: it is left out by the .dockerignore"):
        layer(context(tree, "a"), "a/x.txt", to="/n")


@pytest.mark.parametrize(
    ("ignore", "arrives"),
    [
        (("*", "!c"), ["n", "n/c", "n/c/one.txt"]),
        (("*", "!a/b"), ["n", "n/a", "n/a/b", "n/a/b/z.txt"]),
        (("*", "!a/b/nothing"), ["n"]),
        (("**/*.txt", "**/l*", "a", "up", "away", "d"), ["n", "n/c", "n/empty"]),
        (("*", "!d", "d/e", "!d/e/f/*.txt"), ["n", "n/d", "n/d/e", "n/d/e/f", "n/d/e/f/deep.txt"]),
    ],
)
def test_ignored_files_do_not_come(tree: Path, ignore: tuple[str, ...], arrives: list[str]) -> None:
    assert names(layer(context(tree, *ignore), ".", to="/n")) == arrives


def test_a_folder_of_ignored_files_is_not_read(tree: Path) -> None:
    (tree / "node_modules").mkdir()
    make(tree / "node_modules" / "far", {"f": "f"})
    looked_at: list[str] = []
    with select.opened(context(tree, "node_modules", "!keep")) as opened:
        real = opened._list
        opened._list = lambda node, folders: looked_at.append(os.fsdecode(node.path)) or real(node, folders)
        root = opened.root
        assert root is not None
        assert sum(1 for _ in opened.walk(root)) > 10
    assert "node_modules" not in looked_at


@pytest.mark.parametrize(
    ("paths", "arrives"),
    [
        (["a/x.txt"], ["n", "n/a", "n/a/x.txt"]),
        (["./a/x.txt", "/c"], ["n", "n/a", "n/a/x.txt", "n", "n/c", "n/c/one.txt"]),
        (
            ["**/*.txt"],
            [
                *("n", "n/arr[0].txt", "n/top.txt", "n/a", "n/a/x.txt", "n/a/b", "n/a/b/z.txt"),
                *("n/c", "n/c/one.txt", "n/d", "n/d/e", "n/d/e/f", "n/d/e/f/deep.txt"),
            ],
        ),
        (["a/*/z.txt"], ["n", "n/a", "n/a/b", "n/a/b/z.txt"]),
        (["d/./e/f/deep.txt"], ["n", "n/e", "n/e/f", "n/e/f/deep.txt"]),
        (["d/e/./f/*.txt"], ["n", "n/f", "n/f/deep.txt"]),
        (["d/e"], ["n", "n/d", "n/d/e", "n/d/e/f", "n/d/e/f/deep.txt"]),
        (["nothing*"], ["n"]),
    ],
)
def test_parents_are_kept(tree: Path, paths: list[str], arrives: list[str]) -> None:
    assert names(layer(context(tree), *paths, to="/n/", keeps_parents=True)) == arrives


def test_parents_of_what_is_missing(tree: Path) -> None:
    with pytest.raises(errors.NotFound, match="d/q"):
        layer(context(tree), "d/./q", to="/n/", keeps_parents=True)


def test_excludes_see_paths_below_each_source(tree: Path) -> None:
    copied = names(layer(context(tree), "a", "c", to="/n/", excludes=("*.txt", "b", "!x.txt")))
    assert copied == ["n", "n/l", "n/x.txt", "n/y.md", "n"]


def test_excludes_with_parents(tree: Path) -> None:
    copied = names(layer(context(tree), "a", to="/n/", keeps_parents=True, excludes=("**/*.txt",)))
    assert copied == ["n", "n/a", "n/a/l", "n/a/y.md", "n/a/b"]


@pytest.mark.parametrize(
    ("files", "source", "to", "complaint"),
    [
        ({"s/f/in": ""}, "s", "/opt", "cannot copy a folder to /opt/f: there is a file"),
        ({"s/ls/in": ""}, "s", "/opt", "cannot copy a folder to /opt/ls: there is a file"),
        ({"s": "file"}, "s", "/file/", "cannot copy a folder to /file"),
        ({"s": "file"}, "s", "/file/below", "cannot copy a folder to /file"),
        ({"s/sub": "file"}, "s", "/opt", "cannot copy a file to /opt/sub: there is a folder"),
        ({"opt": "file"}, "opt", "/", "cannot copy a file to /opt"),
    ],
)
def test_folders_and_files_do_not_replace_each_other(
    tmp_path: Path, image: Path, files: dict[str, str | bytes | None], source: str, to: str, complaint: str
) -> None:
    tree = make(tmp_path / "other", files)
    with pytest.raises(errors.Conflict, match=complaint):
        layer(context(tree), source, to=to, onto=(image,))


def test_files_replace_files_and_links(tmp_path: Path, image: Path) -> None:
    tree = make(tmp_path / "other", {"ls": "new", "f": "new"})
    assert names(layer(context(tree), ".", to="/opt", onto=(image,))) == ["opt", "opt/f", "opt/ls"]


def test_several_files_do_not_come_to_one_name(tree: Path) -> None:
    with pytest.raises(errors.InvalidInput, match="several files to the one name /n"):
        layer(context(tree), "*.txt", to="/n")


def test_what_an_earlier_source_has_made_counts(tmp_path: Path) -> None:
    tree = make(tmp_path / "other", {"p/x": "file", "q/x/y": "below"})
    with pytest.raises(errors.Conflict, match="there is a file of that name"):
        layer(context(tree), "p", "q", to="/n/")


def test_layers_are_seen_merged(tmp_path: Path) -> None:
    low = make(tmp_path / "low", {"d/gone": "", "d/kept": "low", "d/both": "low", "e/f": "", "o/hidden": ""})
    top = make(tmp_path / "top", {"d/.wh.gone": "", "d/both": "top", "o/.wh..wh..opq": "", "o/new": ""})
    stage = Source((str(top), str(low)))
    assert names(layer(stage, "/", to="/n")) == [
        *("n", "n/d", "n/d/both", "n/d/kept", "n/e", "n/e/f", "n/o", "n/o/new")
    ]
    assert lines(layer(stage, "d/both", to="/n"))[0].endswith(" top")
    with pytest.raises(errors.NotFound):
        layer(stage, "d/gone", to="/n")
    with pytest.raises(errors.NotFound):
        layer(stage, "o/hidden", to="/n")
