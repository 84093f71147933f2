"""Owners of files where there is one id: what a container asks for is in its layer, and that is all."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import until
from tests.users import User

pytestmark = pytest.mark.slow
_CALLS = r"""
import ctypes, errno, mmap, os, platform, signal, subprocess, sys, threading, time
_libc = ctypes.CDLL(None, use_errno=True)
FCHOWNAT = {"x86_64": 260, "aarch64": 54}[platform.machine()]
CWD, NOFOLLOW, EMPTY = -100, 0x100, 0x1000

def fchownat(directory, path, uid=1, gid=1, flags=0):
    result = _libc.syscall(FCHOWNAT, directory, path, uid, gid, flags)
    return -ctypes.get_errno() if result else 0

def make(path, mode=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))
"""


@pytest.fixture(scope="module")
def user(single_id_user: User) -> Iterator[User]:
    """Return somebody with one id who has an image with Python in it."""
    check(single_id_user.conlab("run", "--rm", "lab/base", "true"))
    yield single_id_user
    for name in check(single_id_user.conlab("ps", "-aq")).split():
        check(single_id_user.conlab("rm", "-f", name))


def check(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def run(user: User, source: str, *options: str) -> str:
    """Run Python in a container called `one`, which stays."""
    user.conlab("rm", "-f", "one")
    words = ["run", "--name", "one", *options, "lab/base", "python3", "-c", _CALLS + source]
    return check(user.conlab(*words))


def owners(user: User, name: str = "one") -> dict[str, tuple[int, int]]:
    """Return who owns what in the layer that a container becomes."""
    check(user.conlab("commit", name, "committed"))
    return layer_of(user, "committed")


def layer_of(user: User, image: str) -> dict[str, tuple[int, int]]:
    """Return who owns what in the topmost layer of an image."""
    check(user.conlab("save", "-o", "saved.tar", image))
    with tarfile.open(user.home / "saved.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        layer = archive.extractfile(manifest[0]["Layers"][-1]).read()  # type: ignore[union-attr]
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {each.name: (each.uid, each.gid) for each in archive}


def recorders(user: User) -> set[int]:
    """Return the recorders of a user that live."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, status = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rsplit(")", 1)
            is_own = f"Uid:\t{user.uid}\t" in Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name == "conlab-recorder" and is_own and status.split()[0] not in "ZX":
            found.add(int(pid))
    return found


def test_every_way_to_change_an_owner_is_recorded(user: User) -> None:
    run(
        user,
        r"""
os.umask(0)
for name in "abcdefghi":
    make(f"/srv/{name}")
os.mkdir("/srv/dir"); os.symlink("a", "/srv/link"); os.symlink("b", "/srv/other"); os.mkfifo("/srv/pipe")
os.chown("/srv/a", 33, 44)
fd = os.open("/srv/b", os.O_RDONLY); os.fchown(fd, 2, 3)
os.lchown("/srv/link", 4, 5)
os.chown("/srv/other", 6, 7)                    # and so b
srv = os.open("/srv", os.O_RDONLY)
assert fchownat(srv, b"c", 8, 9) == 0
assert fchownat(os.open("/srv/d", os.O_PATH), b"", 10, 11, EMPTY) == 0
os.chdir("/srv/dir"); os.chown("../e", 12, -1); os.chown("../e", -1, 13)
os.chown("/srv/f", 14, 14); os.chown("/srv/f", 0, 0)
os.chown("/srv/dir", 15, 16); os.chown("/srv/pipe", 17, 18)
os.chown("/srv/g", 19, 20); os.rename("/srv/g", "/srv/moved"); os.link("/srv/moved", "/srv/second")
os.lchown("/srv/other", 21, 22); os.rename("/srv/other", "/srv/other2")
os.chown("/etc/passwd", 23, 24); os.chown("/home", 25, 26)
if os.fork() == 0:
    os.chroot("/srv"); os.chdir("/"); os.chown("/../h", 27, 28); os._exit(0)
os.wait()
os.chmod("/srv/i", 0o6755); os.chown("/srv/i", 29, 30)
assert os.stat("/srv/i").st_mode & 0o7777 == 0o755
assert os.stat("/srv/a").st_uid == 0            # what programs see stays as it is
""",
    )
    found = {name: owner for name, owner in owners(user).items() if not name.startswith("srv/")}
    assert {name: found[name] for name in ("etc/passwd", "home")} == {
        "etc/passwd": (23, 24),
        "home": (25, 26),
    }
    assert {name[4:]: owner for name, owner in owners(user).items() if name.startswith("srv/")} == {
        "a": (33, 44),
        "b": (6, 7),
        "c": (8, 9),
        "d": (10, 11),
        "dir": (15, 16),
        "e": (12, 13),
        "f": (0, 0),
        "h": (27, 28),
        "i": (29, 30),
        "link": (4, 5),
        "moved": (19, 20),
        "other2": (21, 22),
        "pipe": (17, 18),
        "second": (19, 20),
    }


def test_a_build_gives_owners_from_step_to_step(user: User) -> None:
    context = user.home / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(
        """
        FROM lab/base AS made
        RUN mkdir /app && touch /app/f && chown -Rh 33:44 /app
        USER 1000:50
        RUN echo x >>/app/f && touch /tmp/mine
        FROM lab/base
        COPY --from=made /app/f /tmp/mine /app/
        RUN chmod 600 /app/f /app/mine && touch /app/new && touch /etc/passwd
        """
    )
    check(user.conlab("build", "-q", "-t", "built", str(context)))
    layer = layer_of(user, "built")
    wanted = {"f": (33, 44), "mine": (1000, 50), "new": (0, 0)}
    assert {name: layer[f"app/{name}"] for name in wanted} == wanted
    assert layer["etc/passwd"] == (0, 0)


def test_errors_are_those_of_the_kernel(user: User) -> None:
    said = run(
        user,
        r"""
page = mmap.mmap(-1, 2 * mmap.PAGESIZE)
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
_libc.mprotect(ctypes.c_void_p(start + mmap.PAGESIZE), mmap.PAGESIZE, 0)
page[mmap.PAGESIZE - 8:mmap.PAGESIZE] = b"/tmp/abc"
unended = ctypes.c_void_p(start + mmap.PAGESIZE - 8)
page[100:105] = b"/etc\0"
found = [fchownat(CWD, path, 1, 1, flags) for path, flags in [
    (b"/nope", 0), (b"/etc/passwd/x", 0), (b"", 0), (b"x" * 5000, 0), (b"/etc", 1),
    (ctypes.c_void_p(8), 0), (unended, 0), (ctypes.c_void_p(start + 100), 0), (b"y" * 300, 0),
]]
found += [fchownat(99, b"", 1, 1, EMPTY), fchownat(99, b"x"), fchownat(os.open("/etc/passwd", 0), b"x")]
print(*(errno.errorcode.get(-code, "0") for code in found))
""",
    )
    assert said.rstrip() == (
        "ENOENT ENOTDIR ENOENT ENAMETOOLONG EINVAL EFAULT EFAULT 0 ENAMETOOLONG EBADF EBADF ENOTDIR"
    )
    frozen = run(user, "print(errno.errorcode[-fchownat(CWD, b'/etc')])", "--read-only")
    assert frozen == "EROFS\n"


def test_what_is_no_file_of_the_layer_is_left_alone(user: User) -> None:
    canary = user.home / "canary"
    canary.mkdir(exist_ok=True)
    os.chown(canary, user.uid, user.gid)
    run(
        user,
        r"""
reader, writer = os.pipe()
os.fchown(writer, 1, 1)
make("/dev/shm/x")
make("/canary/x")
os.symlink("/proc/self/fd/1", "/log"); os.symlink("log", "/log2")
for path in ("/dev/stdout", "/proc/self/fd/1", "/log2", "/dev/shm/x", "/canary/x", "/canary", "/proc/1/stat",
             "/proc/1/root/etc/group", "/proc/1/cwd", "/sys", "/dev/null", "/etc/hosts"):
    assert fchownat(CWD, path.encode()) == 0, path
os.chdir("/canary")
assert fchownat(CWD, b"x") == 0
""",
        "-v",
        f"{canary}:/canary",
    )
    for path in (canary, canary / "x"):
        assert os.listxattr(path) == []
        assert path.stat().st_uid == user.uid
    assert set(owners(user).values()) == {(0, 0)}


def test_whatever_changes_while_a_call_waits_leads_nowhere_else(user: User) -> None:
    """A path is rewritten, a link swapped, a directory's descriptor closed, callers are killed."""
    canary = user.home / "outside"
    canary.mkdir(exist_ok=True)
    os.chown(canary, user.uid, user.gid)
    said = run(
        user,
        f"OUTSIDE = {str(canary)!r}.encode()\n"
        + r"""
os.makedirs("/srv/in"); make("/srv/in/x")
os.symlink("/proc/1/root", "/srv/root"); os.symlink("in", "/srv/link")
done = False
buffer = ctypes.create_string_buffer(300)
def rewrite():
    while not done:
        buffer.value = b"/srv/in/x"
        buffer.value = b"/srv/root/../../../../../../.." + OUTSIDE
def swap():
    while not done:
        for target in (b"/proc/1/root", b"../../../../../.." + OUTSIDE, b"in"):
            os.symlink(target, b"/srv/new"); os.rename(b"/srv/new", b"/srv/link")
def shut():
    while not done:
        fd = os.open("/srv/in", os.O_RDONLY); os.dup2(fd, 50); os.close(50); os.close(fd)
threads = [threading.Thread(target=each) for each in (rewrite, swap, shut)]
for thread in threads: thread.start()
for number in range(500):
    fchownat(CWD, buffer, 5, 5); fchownat(CWD, b"/srv/link/x", 6, 6); fchownat(50, b"x", 7, 7)
done = True
for thread in threads: thread.join()
for number in range(100):
    pid = os.fork()
    if pid == 0:
        while True: fchownat(CWD, b"/srv/in/x", number, number)
    time.sleep(0) if number % 3 else os.sched_yield()
    os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
os.chown("/srv/in/x", 41, 42)
print("alive")
""",
    )
    assert said == "alive\n"
    assert os.listxattr(canary) == []
    assert owners(user)["srv/in/x"] == (41, 42)


def test_ten_thousand_files_keep_their_owners(user: User) -> None:
    run(
        user,
        r"""
os.mkdir("/srv/many")
for number in range(10_000):
    make(f"/srv/many/{number}"); os.chown(f"/srv/many/{number}", number, 1)
""",
    )
    found = owners(user)
    assert all(found[f"srv/many/{number}"] == (number, 1) for number in range(10_000))


def test_threads_and_signals_do_not_hinder(user: User) -> None:
    run(
        user,
        r"""
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
def work(first):
    for number in range(first, first + 100):
        make(f"/srv/{number}"); assert fchownat(CWD, b"/srv/%d" % number, number, 1) == 0
threads = [threading.Thread(target=work, args=(first,)) for first in (100, 200, 300)]
for thread in threads: thread.start()
work(400)
for thread in threads: thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    )
    found = owners(user)
    assert all(found[f"srv/{number}"] == (number, 1) for number in range(100, 500))


def test_exec_records_too_and_so_do_those_who_outlive_it(user: User) -> None:
    user.conlab("rm", "-f", "one")
    check(user.conlab("run", "-d", "--name", "one", "lab/base", "sleep", "1000"))
    check(user.conlab("exec", "one", "sh", "-c", "touch /srv/a && chown 5:6 /srv/a && mkfifo /go"))
    left = "read line </go; touch /srv/b; chown 7:8 /srv/b && echo yes >/done || echo no >/done"
    check(user.conlab("exec", "one", "sh", "-c", f"({left}) >/dev/null 2>&1 &"))
    check(user.conlab("exec", "one", "sh", "-c", "echo >/go"))
    until(lambda: user.conlab("exec", "one", "cat", "/done").stdout == "yes\n")
    found = owners(user)
    assert (found["srv/a"], found["srv/b"]) == ((5, 6), (7, 8))
    check(user.conlab("rm", "-f", "one"))
    until(lambda: not recorders(user))


@pytest.mark.root
@pytest.mark.parametrize("victim", ["monitor", "recorder"])
def test_nobody_waits_for_one_who_was_killed(user: User, victim: str) -> None:
    user.conlab("rm", "-f", "one")
    script = "touch /srv/a; chown 5 /srv/a; mkfifo /go; touch /ready; read line </go; chown 6 /srv/a"
    script += "; echo $? >/code; sleep 1000"
    check(user.conlab("run", "-d", "--name", "one", "lab/base", "sh", "-c", script))
    until(lambda: user.conlab("exec", "one", "cat", "/ready").returncode == 0)
    (recorder,) = recorders(user)
    monitor = int(Path(f"/proc/{recorder}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(monitor if victim == "monitor" else recorder, signal.SIGKILL)
    until(lambda: not recorders(user))
    if victim == "recorder":
        check(user.conlab("exec", "one", "sh", "-c", "echo >/go"))
        until(lambda: user.conlab("exec", "one", "cat", "/code").stdout == "1\n")
    else:
        until(lambda: "running" not in user.conlab("inspect", "-f", "{{.State.Status}}", "one").stdout)
    check(user.conlab("rm", "-f", "one"))
