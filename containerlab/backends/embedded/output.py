"""What containers printed and what happened to them: reading the files that monitors append to."""

from __future__ import annotations

import collections
import contextlib
import datetime
import os
import re
import select
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from containerlab.backends.base import Event, LogLine

__all__ = ["read_events", "read_log"]

_POLL_MS = 100
_BLOCK_BYTES = 1 << 16
_NEWLINE = 10
_OLD = re.compile(r"log\.\d+")
_EVENT = msgspec.json.Decoder(Event)


def read_log(
    directory: str, is_running: Callable[[], bool], *, follow: bool, since: float, until: float, tail: int
) -> Iterator[LogLine]:
    """Yield a container's output, oldest first; `tail` keeps the last lines only, -1 all."""
    lines = (_parse_line(raw) for raw in _raw_lines(directory, is_running, follow=follow, tail=tail))
    for line in lines:
        if line is None or line.time < since:
            continue
        if until and line.time > until:
            return
        yield line


def _raw_lines(directory: str, is_running: Callable[[], bool], *, follow: bool, tail: int) -> Iterator[bytes]:
    with contextlib.ExitStack() as files:
        try:
            current = files.enter_context(open(f"{directory}/log", "rb"))
        except FileNotFoundError:
            return
        if tail >= 0 and _seek_last(current, tail):
            yield from current
        else:
            kept = _all(directory, current)
            yield from kept if tail < 0 else collections.deque(kept, maxlen=tail)
        if follow:
            yield from _follow(files, current, f"{directory}/log", is_running)


def _seek_last(file: BinaryIO, lines: int) -> bool:
    """Go to where the last lines begin, reading from the end; say False when there are not so many."""
    position = file.seek(0, os.SEEK_END)
    while position:
        size = min(_BLOCK_BYTES, position)
        position = file.seek(position - size)
        block = file.read(size)
        starts = [index + 1 for index in range(size) if block[index] == _NEWLINE] if lines else [size]
        if len(starts) > lines:
            file.seek(position + starts[-lines - 1])
            return True
        lines -= len(starts)
    file.seek(0)
    return False


def _all(directory: str, current: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of the older files, oldest first, then those of the current one."""
    numbers = sorted((int(name[4:]) for name in os.listdir(directory) if _OLD.fullmatch(name)), reverse=True)
    for number in numbers:
        with open(f"{directory}/log.{number}", "rb") as file:
            yield from file
    yield from current


def _follow(
    files: contextlib.ExitStack, file: BinaryIO, path: str, is_running: Callable[[], bool]
) -> Iterator[bytes]:
    """Yield what is appended until the container has ended; go on in the new file after a rotation."""
    rest = b""
    while True:
        alive = is_running()
        for line in iter(file.readline, b""):
            rest += line
            if rest.endswith(b"\n"):
                yield rest
                rest = b""
        try:
            turned = os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return
        if turned:
            file = files.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
        elif not alive:
            return
        else:
            select.poll().poll(_POLL_MS)


def _parse_line(raw: bytes) -> LogLine | None:
    try:
        stamp, stream, tag, text = raw.rstrip(b"\n").split(b" ", 3)
        moment = datetime.datetime.strptime(stamp[:19].decode(), "%Y-%m-%dT%H:%M:%S")
        seconds = moment.replace(tzinfo=datetime.UTC).timestamp() + float(b"0" + stamp[19:-1])
        name = stream.decode()
    except ValueError:
        return None  # the last line of a monitor that was killed while it wrote
    partial = tag == b"P"
    return LogLine(time=seconds, stream=name, text=text if partial else text + b"\n", partial=partial)


def read_events(path: str, *, since: float, until: float, follow: bool) -> Iterator[Event]:
    """Yield events, oldest first; with `follow` wait for more until `until`."""
    offset = 0 if since or not follow else _size(path)
    while True:
        data = _tail(path, offset)
        offset += len(data)
        for line in data.splitlines():
            try:
                event = _EVENT.decode(line)
            except msgspec.DecodeError:  # a line that a power cut tore
                continue
            if until and event.time > until:
                return
            if event.time >= since:
                yield event
        if not follow or (until and time.time() > until):
            return
        select.poll().poll(_POLL_MS)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _tail(path: str, offset: int) -> bytes:
    """Return whole lines from an offset on."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]
