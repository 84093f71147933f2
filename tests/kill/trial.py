"""One kill: a scenario is set up, its verb followed and hit, and then everything must be as before."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests import leaks
from tests.containers import monitors_of
from tests.kill import tracer
from tests.kill.tracer import Blow, Story
from tests.users import User

__all__ = ["Ground", "Result", "ground"]

_VOLATILE = ("state.db-", "cache", "events.log", "monitor.log")


class Result(NamedTuple):
    """What a trial found: whom it hit, and what is wrong, a sentence each."""

    story: Story
    wrong: tuple[str, ...]


class Ground:
    """A user's home with one image, and the zygote that acts on it."""

    def __init__(self, user: User, base: Path, home: Path, zygote: subprocess.Popen[str]) -> None:
        self.base = base
        self.user = user
        self.home = home
        self._zygote = zygote
        self.do("prepare")
        self.has_cgroup = bool(self.do("facts")["value"]["has_cgroup"])

    def do(self, task: str, **about: Any) -> dict[str, Any]:
        """Have a task done and return its answer; nothing when it was killed."""
        self._order(task, about)
        return self._go()

    def _order(self, task: str, about: dict[str, Any]) -> int:
        self._say({"task": task, "about": about})
        return int(self._hear()["pid"])

    def _go(self) -> dict[str, Any]:
        self._say("go")
        reply = self._hear()
        if reply["answer"] is None and os.WIFEXITED(reply["code"]):
            return {"error": "crash", "text": "it hung; standard error says where"}
        return dict(reply["answer"] or {"error": "killed", "text": f"wait status {reply['code']}"})

    def _say(self, value: Any) -> None:
        _stream(self._zygote.stdin).write(json.dumps(value) + "\n")
        _stream(self._zygote.stdin).flush()

    def _hear(self) -> Any:
        line = _stream(self._zygote.stdout).readline()
        assert line, "the zygote has died"
        return json.loads(line)

    def try_(self, name: str, blow: Blow | None, *, again: bool = True) -> Result:
        """Set up a scenario, hit it, and look at what it leaves; `again`: and whether the verb works then."""
        before, files = leaks.look(self.base), self._files()
        setup = self.do(f"{name}:setup")
        if "error" in setup:
            return Result(Story({}), (f"setup: {setup['text']}",))
        story, answer = self._followed(name, blow)
        wrong = [f"the client crashed: {answer['text']}"] if answer.get("error") == "crash" else []
        if blow is None and "error" in answer:
            wrong.append(f"the client failed: {answer['text']}")
        for task in ("judge", "repeat", "clear") if again else ("judge", "clear"):
            reply = self.do(task, scenario=name)
            wrong += (
                reply.get("value") or [f"{task}: {reply['text']}"] if "error" in reply else reply["value"]
            )
        wrong += leaks.left_over(before, self.base)
        wrong += [f"  file: {path}" for path in sorted(self._files() - files)]
        wrong += [f"  lost: {path}" for path in sorted(files - self._files())]
        wrong += [f"  cgroup: {path}" for path in self._cgroups()]
        return Result(story, tuple(wrong))

    def _followed(self, name: str, blow: Blow | None) -> tuple[Story, dict[str, Any]]:
        others = self._others()
        pid = self._order(f"{name}:act", {})
        read, write = os.pipe()
        tracing = os.fork()
        if tracing == 0:
            os.close(read)
            _follow_and_exit(pid, others, blow, write)
        os.close(write)
        os.read(read, 1)
        answer = self._go()
        with os.fdopen(read, "rb") as file:
            story = Story(*json.loads(file.read()))
        os.waitpid(tracing, 0)
        return story, answer

    def _others(self) -> dict[int, str]:
        pids = self.do("others").get("value") or []
        found: dict[int, str] = {pid: "init" for pid in pids if pid}
        for directory in (self.home / "containers").iterdir():
            found |= dict.fromkeys(monitors_of(str(directory)), "monitor")
        return found

    def _files(self) -> set[str]:
        return set(_tree(self.home, ""))

    def _cgroups(self) -> list[str]:
        ids = {path.name for path in (self.home / "containers").iterdir()}
        return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) in ids]


def _follow_and_exit(client: int, others: dict[int, str], blow: Blow | None, output: int) -> None:
    code = 1
    try:
        story = tracer.trace(client, others, blow, output)
        os.write(output, json.dumps(story).encode())
        code = 0
    finally:
        os._exit(code)


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _tree(path: Path, name: str) -> Iterator[str]:
    for entry in os.scandir(path):
        below = f"{name}/{entry.name}".lstrip("/")
        if below.startswith(_VOLATILE):
            continue
        yield below
        if entry.is_dir(follow_symlinks=False) and not below.startswith("layers/"):
            yield from _tree(Path(entry.path), below)


@contextlib.contextmanager
def ground(user: User, base: Path) -> Iterator[Ground]:
    """Give the ground for trials as a user, made ready by one round without a kill."""
    home = user.home / "killed"
    files = Path(f"{home}-files")
    (files / "in").mkdir(parents=True)
    (files / "in" / "file").write_bytes(os.urandom(1 << 18))
    for path in (files, files / "in", files / "in" / "file"):
        os.chown(path, user.uid, user.gid)
    environment = {**user.environment, "CONTAINERLAB_HOME": str(home)}
    zygote = user.start(
        [user.python, "-m", "tests.kill.zygote", str(home)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Ground(user, base, home, zygote)
    finally:
        _stream(zygote.stdin).close()
        _stream(zygote.stdout).close()
        zygote.wait()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(files, ignore_errors=True)
