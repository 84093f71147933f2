"""Images of this host's programs, run in a root file system of nothing else."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from containerlab.errors import NotFound
from containerlab.store.blobs import Blobs
from containerlab.store.from_host import HostImage, from_host
from containerlab.store.home import Home
from containerlab.store.layers import Layers
from tests.store.test_layers import image, perform
from tests.users import User


def unpacked(home: Home, made: HostImage) -> list[Path]:
    return Layers(home).ensure(image(*made.layers))


@pytest.mark.slow
def test_the_default_image_has_a_shell_tools_and_this_python(anyone: User) -> None:
    out = perform(
        anyone,
        r"""
from containerlab.store.from_host import from_host
made = from_host(blobs)
lowers = layers.ensure(image(*made.layers))
assert len(lowers) == 2 and len(made.history) == 2
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
modules = "json, ssl, sqlite3, ctypes, hashlib, lzma, bz2, zlib, decimal, asyncio, multiprocessing, readline"
inner = f'''
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
echo made | sed s/made/works/ | grep works | cat
id -un; ls / | tr "\\n" " "; echo; awk "BEGIN {{print 6 * 7}}"; stat -c %a /tmp /root
cd /tmp; echo 1 >x; tar -cf x.tar x; find . -name "x*" | sort | xargs echo
python3 -c "import {modules}; import sys; print(sys.version_info[:2], sys.prefix, ssl.OPENSSL_VERSION[:7])"
'''
print(run(snapshot, f"exec chroot . /bin/sh -euc '{inner}'"))
print(made.config)
""",
    )
    lines = out.splitlines()
    assert lines[0] == "works"
    assert lines[1] == "root"
    assert {"bin", "etc", "proc", "tmp", "usr"} <= set(lines[2].split())
    assert lines[3:7] == ["42", "1777", "700", "./x ./x.tar"]
    assert "OpenSSL" in lines[7]
    assert "cmd=('/bin/sh',)" in out


def test_the_same_host_gives_the_same_bytes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(home)
    assert from_host(blobs, ["cat"]).layers == from_host(blobs, ["cat"]).layers
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000")
    (path,) = unpacked(home, from_host(blobs, ["cat"]))
    assert max(file.lstat().st_mtime for file in path.rglob("*")) <= 1000


def test_named_programs_come_with_their_libraries_and_nothing_else(anyone: User) -> None:
    out = perform(
        anyone,
        r"""
from containerlab.store.from_host import from_host
made = from_host(blobs, ["cat", "ls"])
lowers = layers.ensure(image(*made.layers))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
print(sorted(path.name for path in (lowers[0] / "usr/bin").iterdir()))
print(run(snapshot, "chroot . /bin/ls /etc; chroot . /bin/cat /etc/passwd"))
""",
    )
    assert "['cat', 'ls']" in out
    assert "root:x:0:0:root:/root:/bin/sh" in out


def test_scripts_bring_their_interpreter(home: Home, tmp_path: Path) -> None:
    script = tmp_path / "hello"
    script.write_text("#!/usr/bin/env sh\necho hello\n")
    script.chmod(0o755)
    (path,) = unpacked(home, from_host(Blobs(home), [str(script)]))
    assert (path / "usr/local/bin/hello").read_bytes() == script.read_bytes()
    assert (path / "usr/bin/env").exists()
    assert os.path.lexists(path / "usr/bin/sh")


def test_set_id_bits_stay_behind(home: Home, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path(os.path.realpath("/bin/sh")).read_bytes())
    program.chmod(0o6755)
    (path,) = unpacked(home, from_host(Blobs(home), [str(program)]))
    assert stat.S_IMODE((path / "usr/local/bin/program").stat().st_mode) == 0o755


@pytest.mark.system("busybox-static")
def test_a_minimal_image_is_busybox_under_all_its_names(anyone: User) -> None:
    out = perform(
        anyone,
        r"""
from containerlab.store.from_host import from_host
made = from_host(blobs, minimal=True)
lowers = layers.ensure(image(*made.layers))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
print(run(snapshot, "chroot . /bin/sh -c 'echo hello | /bin/sed s/hello/small/'"))
print(sum(layer.descriptor.size for layer in made.layers) < 3_000_000)
""",
    )
    assert out.split() == ["small", "True"]


def test_a_missing_program_is_named(home: Home) -> None:
    with pytest.raises(NotFound, match="no such program on this host: no-such-program"):
        from_host(Blobs(home), ["no-such-program"])
    assert not list(Blobs(home).digests())


def test_python_alone_can_be_asked_for(home: Home) -> None:
    made = from_host(Blobs(home), ["sh"], python=True)
    top, lowest = unpacked(home, made)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert list(top.glob(f"usr/**/bin/{version}")) or list(top.glob(f"usr/bin/{version}"))
    assert not list(lowest.rglob("python*"))
    assert not [path for path in top.rglob("*") if path.name in ("site-packages", "test", "idlelib")]
