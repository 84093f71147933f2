"""Copying as an ordinary user: what belongs to subordinate ids is read inside the namespace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.files.copying import content_digest, copy_layer
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.linux.idmap import HOST
from tests import users
from tests.build.layers_of_copy import context, make

SCRIPT = """
import io, os, subprocess, sys, tarfile
from containerlab import errors
from containerlab.build.files.copying import content_digest, copy_layer
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.linux import idmap
from containerlab.store.layer_writer import zstd

ids = idmap.choose()
os.makedirs("copying/stage")
os.makedirs("copying/context")
os.chdir("copying")
make = (
    "umask 0; mkdir -m 755 home; mkdir -m 700 home/app; echo secret >home/app/f; chmod 600 home/app/f;"
    "echo r >r; chmod 600 r"
)
if ids.kind == "subids":
    make += "; chown 1000:1001 home/app; chown 5:6 home/app/f"
idmap.run(ids, ["sh", "-c", f"cd stage; {make}"]).communicate()
if ids.kind == "single":  # as unpacking notes it
    os.setxattr("stage/home/app", "user.containers.override_stat", b"1000:1001:0700")
    os.setxattr("stage/home/app/f", "user.containers.override_stat", b"5:6:0600")

def copied(source, *paths, onto=(), **options):
    stream = io.BytesIO()
    facts = copy_layer(source, Selection(paths, "/home/app/n/", **options), Target(onto), ids, stream.write)
    stream.seek(0)
    for member in tarfile.open(fileobj=stream):
        print(member.name, oct(member.mode)[2:], f"{member.uid}:{member.gid}")
    print(*facts)

stage, own = Source((os.path.abspath("stage"),)), Source((os.path.abspath("context"),), is_context=True)
onto = stage.roots
copied(stage, "home/app")
print(content_digest(stage, Selection(("home/app",), "/n"), ids)[:7])
with tarfile.open("plain.tar", "w") as archive:
    archive.add("stage/home", "in", recursive=False)
with open("plain.tar", "rb") as plain, open("context/a.tar.zst", "wb") as packed:
    packed.write(zstd.compress(plain.read()))
copied(own, "a.tar.zst", onto=onto, unpacks=True)
for call in (lambda: copied(stage, "nothing"), lambda: content_digest(stage, Selection(("no",), "/"), ids)):
    try:
        call()
    except errors.NotFound as error:
        print(error)
"""


@pytest.mark.root
@pytest.mark.slow
def test_files_of_subordinate_ids(ordinary_user: users.User) -> None:
    done = ordinary_user.script(SCRIPT)
    assert done.returncode == 0, done.stderr
    folder = ["home 755 0:0", "home/app 755 0:0", "home/app/n 755 0:0"]
    said = done.stdout.splitlines()
    assert said[:5] == [*folder, "home/app/n/f 600 5:6", "1 7"]
    assert said[5] == "sha256:"
    assert said[6:9] == ["home 755 0:0", "home/app 700 1000:1001", "home/app/n 755 0:0"]
    assert said[9].startswith("home/app/n/in 755 ")
    assert said[10:] == [
        "0 0",
        "cannot copy nothing: it is not there",
        "cannot copy no: it is not there",
    ]


@pytest.mark.root
def test_an_unreadable_file_of_the_context(single_id_user: users.User) -> None:
    script = """
import os
from containerlab.build.files.copying import content_digest, copy_layer
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.linux import idmap
os.makedirs("unreadable/d", exist_ok=True)
open("unreadable/f", "w").close()
os.chmod("unreadable/f", 0)
os.chmod("unreadable/d", 0)
source = Source((os.path.abspath("unreadable"),), is_context=True)
for path in "fd":
    for work in (copy_layer, content_digest):
        try:
            rest = (Target(), idmap.HOST, len) if work is copy_layer else (idmap.HOST,)
            work(source, Selection((path,), "/n"), *rest)
        except Exception as error:
            print(error)
"""
    done = single_id_user.script(script)
    assert done.returncode == 0, done.stderr
    hint = "(make it readable, or leave it out with .dockerignore)"
    assert done.stdout.splitlines() == 2 * [f"cannot read f, which is to be copied {hint}"] + 2 * [
        f"cannot read d, which is to be copied {hint}"
    ]


def test_here_where_nothing_is_mapped(tmp_path: Path) -> None:
    tree = make(tmp_path / "context", {"f": "four"})
    pieces: list[bytes] = []
    selection = Selection(("f",), "/n/")
    assert copy_layer(context(tree), selection, Target(), HOST, pieces.append) == (1, 4)
    assert content_digest(context(tree), selection, HOST) == content_digest(context(tree), selection, HOST)


def _full(data: bytes) -> None:
    raise errors.Unavailable("no space left")


@pytest.mark.parametrize("write", [_full])
def test_an_error_of_who_takes_the_stream_comes_back(tmp_path: Path, write: Callable[[bytes], None]) -> None:
    tree = make(tmp_path / "context", {"f": "four"})
    with pytest.raises(errors.Unavailable, match="no space"):
        copy_layer(Source((str(tree),)), Selection(("f",), "/n/"), Target(), HOST, write)
