"""What containers printed and what happened to them: reading the files that monitors append to."""

from __future__ import annotations

import collections
import datetime
import functools
import itertools
import os
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
_EVENT = msgspec.json.Decoder(Event)


def read_log(
    directory: str, is_running: Callable[[], bool], *, follow: bool, since: float, until: float, tail: int
) -> Iterator[LogLine]:
    """Yield a container's output, oldest first; `tail` keeps the last lines only, -1 all."""
    goes_on = functools.partial(_goes_on, is_running, until)
    lines = (_parse_line(raw) for raw in _raw_lines(directory, goes_on if follow else None, tail))
    for line in lines:
        if line is None or line.time < since:
            continue
        if until and line.time > until:
            return
        yield line


def _goes_on(is_running: Callable[[], bool], until: float) -> bool:
    return is_running() and not (until and time.time() > until)


def _raw_lines(directory: str, goes_on: Callable[[], bool] | None, tail: int) -> Iterator[bytes]:
    opened = _open_newer(directory, -1)
    try:
        if not opened:
            return
        if tail >= 0 and _seek_last(opened[-1], tail):
            yield from opened[-1]
        else:
            kept = itertools.chain(*opened)
            yield from kept if tail < 0 else collections.deque(kept, maxlen=tail)
        if goes_on:
            yield from _follow(opened, directory, goes_on)
    finally:
        for file in opened:
            file.close()


def _open_newer(directory: str, last: int) -> list[BinaryIO]:
    """Open the files that are newer than the one with the inode `last`, oldest first.

    From the newest on: files only move to higher numbers meanwhile, so that none is missed or met twice. Each
    is without a name for a moment when it moves.
    """
    found: dict[int, BinaryIO] = {}
    number = missing = 0
    while missing < 2:
        path = f"{directory}/log.{number}" if number else f"{directory}/log"
        number += 1
        try:
            file = open(path, "rb")  # noqa: SIM115 - whoever asks closes it
        except FileNotFoundError:
            missing += 1
            continue
        missing = 0
        inode = os.fstat(file.fileno()).st_ino
        if inode == last:
            file.close()
            break
        if found.setdefault(inode, file) is not file:
            file.close()
    return [*reversed(found.values())]


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


def _follow(opened: list[BinaryIO], directory: str, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what is appended as long as it goes on; pass to newer files when they turn."""
    while True:
        is_last_turn = not goes_on()
        current = opened[-1]
        yield from _complete_lines(current)
        opened += _open_newer(directory, os.fstat(current.fileno()).st_ino)
        yield from _complete_lines(current)  # what was written before it was turned away
        while len(opened) > 1:
            opened.pop(0).close()
            yield from _complete_lines(opened[0])
        if is_last_turn:
            return
        select.poll().poll(_POLL_MS)


def _complete_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines; a piece at the end, which is still being written, is read again later."""
    for line in iter(file.readline, b""):
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line


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
