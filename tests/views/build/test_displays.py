"""What is seen of a build while it runs: in a terminal, in a log, as JSON, in a notebook, and quietly."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.build.record import Event, Finished, Planned, Started, Step
from containerlab.engine.build_view import watcher, watching
from containerlab.errors import InvalidInput
from containerlab.views.build.board import Board
from containerlab.views.build.findings import findings_text
from containerlab.views.build.lines import PlainDisplay
from containerlab.views.build.live import Live
from containerlab.views.build.log import Log, clean
from containerlab.views.build.notebook import board_html, board_text
from containerlab.views.build.order import as_written
from containerlab.views.build.rawjson import RawJsonDisplay
from containerlab.views.build.terminal import frame
from tests.views.build.events import FAILING, STEPS, WELL, many
from tests.views.build.screen import Screen


class FixedBoard(Board):
    """A board whose clock stands."""

    def __init__(self, now_s: float) -> None:
        super().__init__()
        self._ended_s = now_s


def board(events: tuple[Event, ...], until_s: float = 9.0) -> Board:
    """Return what is known at a moment."""
    found = FixedBoard(until_s)
    display = Live()
    display.board = found
    watch = watcher(display)
    for event in events:
        if getattr(event, "time_s", 0.0) <= until_s:
            watch(event)
    return found


def texts(*arguments: int, of: Board) -> list[str]:
    return [line.text for line in frame(of, *arguments)]


# --- terminal -----------------------------------------------------------------------------------


def test_frame_shows_steps_that_were_begun_and_output_of_those_that_run() -> None:
    assert texts(60, 24, of=board(WELL, 0.95)) == [
        "[+] Building 0.9s (2/6)",
        " => CACHED [compile 1/3] FROM lab/base                  0.0s",
        " => [compile 2/3] COPY . /src                           0.5s",
        " => [1 1/2] RUN true                                    0.8s",
        " => [compile 3/3] RUN make                              0.4s",
        " => => # gcc -c main.c",
        " => => # 100 %",
        " => => # link",
    ]


def test_last_frame_has_every_step_and_the_warnings() -> None:
    shown = board(WELL)
    lines = texts(60, of=shown)
    assert lines[0] == "[+] Building 9.0s (6/6) FINISHED"
    assert len([line for line in lines if line.startswith(" =>")]) == 6
    assert findings_text(shown.findings) == [
        " 1 warning found:",
        " - StageNameCasing: Stage name 'Compile' should be lowercase (line 1)",
        "   1 | FROM lab/base AS Compile",
        "   https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
    ]


def test_failed_step_is_marked() -> None:
    shown = board(FAILING)
    assert " => ERROR [compile 3/3] RUN make                        0.8s" in texts(60, of=shown)
    assert " => CANCELED [1 1/2] RUN true                           1.1s" in texts(60, of=shown)


@pytest.mark.parametrize("height", [3, 5, 10, 24])
def test_frame_is_never_higher_than_the_terminal(height: int) -> None:
    shown = board(many(10, 5), 6.1)
    lines = texts(80, height, of=shown)
    assert len(lines) <= height - 1
    if height > 12:
        assert any(re.match(r" => … \d+ more", line) for line in lines)
        assert sum("5/5" in line for line in lines) >= 1


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    wide = (
        Planned((Step(id=0, name="RUN echo 漢字漢字漢字漢字漢字漢字漢字", stage="", kind="run"),)),
        Started(0, 0),
    )
    for shown in (board(wide), board(many(3, 3), 2.0)):
        assert all(
            len(line) + sum("一" <= each <= "鿿" for each in line) <= width for line in texts(width, of=shown)
        )


def _in_terminal(script: str, size: tuple[int, int] = (24, 60), **environment: str) -> str:
    """Run a script whose standard error is a terminal; return all that it wrote there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    variables = {**os.environ, "TERM": "xterm", **environment}
    with subprocess.Popen([sys.executable, "-c", script], stderr=slave, env=variables):
        os.close(slave)
        written = b"".join(_pieces(master))
    os.close(master)
    return written.decode()


def _pieces(master: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # how a terminal ends
        while True:
            yield os.read(master, 65536)


_SCRIPT = f"""
import fcntl, struct, sys, termios, threading
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from containerlab.engine.build_view import watching
from containerlab.views.build import terminal
from tests.views.build.events import FAILING, WELL

drawn = threading.Semaphore(0)

class Counted(terminal.TerminalDisplay):
    def draw(self, is_last):
        super().draw(is_last)
        drawn.release()

terminal.TerminalDisplay = Counted

def frames(count):
    while drawn.acquire(blocking=False):
        pass
    for _ in range(count):
        drawn.acquire()

def resize(rows, columns):
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
"""
_WATCHED = """
with watching("auto") as watch:
    for event in WELL:
        watch(event)
    {between}
"""


@pytest.mark.slow
def test_terminal_shows_the_build_and_has_its_cursor_back() -> None:
    written = _in_terminal(_SCRIPT + _WATCHED.format(between="frames(2)"))
    screen = Screen().feed(written)
    assert written.count("[+] Building") >= 3
    assert screen.has_cursor
    assert screen.was_coloured
    lines = screen.text.splitlines()
    assert re.fullmatch(r"\[\+\] Building \d\.\ds \(6/6\) FINISHED", lines[0])
    assert len([line for line in lines if line.startswith(" =>")]) == 6
    assert lines[-1].endswith("stage-name-casing/")


def test_terminal_without_colours() -> None:
    written = _in_terminal(_SCRIPT + _WATCHED.format(between=""), NO_COLOR="1")
    assert not Screen().feed(written).was_coloured


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "OSError('full')"])
def test_cursor_is_back_after_an_error(error: str) -> None:
    script = _SCRIPT + _WATCHED.format(between=f"raise {error}").replace("WELL", "WELL[:8]")
    written = _in_terminal(script)
    screen = Screen().feed(written)
    assert screen.has_cursor
    assert "CANCELED [compile 3/3] RUN make" in screen.text
    assert "Traceback" in written[written.rindex("?25h") :]


@pytest.mark.slow
def test_terminal_made_narrower_is_drawn_from_the_same_row() -> None:
    between = "frames(2); resize(24, 30); frames(2)"
    written = _in_terminal(_SCRIPT + _WATCHED.format(between=between))
    # A title of 32 columns and six lines of 60: 7 rows on a terminal of 60 columns, 14 on one of 30.
    assert "\x1b[7A" in written
    assert "\x1b[14A" in written


# --- lines --------------------------------------------------------------------------------------


def plain(events: tuple[Event, ...]) -> str:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    for event in events:
        watcher(display)(event)
    display.close()
    return stream.getvalue()


def test_plain_is_lines_with_the_number_of_their_step() -> None:
    assert plain(WELL).splitlines()[:25] == [
        "#1 [compile 1/3] FROM lab/base",
        "#1 CACHED",
        "",
        "#2 [compile 2/3] COPY . /src",
        "",
        "#3 [1 1/2] RUN true",
        "",
        "#2 [compile 2/3] COPY . /src",
        "#2 DONE 0.5s",
        "",
        "#4 [compile 3/3] RUN make",
        "#4 0.312 gcc -c main.c",
        "#4 0.400 100 %",
        "",
        "#3 [1 1/2] RUN true",
        "#3 DONE 0.9s",
        "",
        "#4 0.750 link",
        "#4 DONE 0.8s",
        "",
        "#5 [1 2/2] COPY --from=compile /a /a",
        "#5 DONE 0.1s",
        "",
        "#6 exporting",
        "#6 DONE 0.1s",
    ]


def test_plain_tells_errors_and_not_what_was_never_begun() -> None:
    lines = plain(FAILING).splitlines()
    assert "#4 ERROR: exit code 2" in lines
    assert "#3 CANCELED" in lines
    assert not any("exporting" in line for line in lines)
    assert lines[-4] == " 1 warning found:"


def test_where_there_is_no_terminal_auto_is_plain(capfd: pytest.CaptureFixture[str]) -> None:
    with watching("auto") as watch:
        for event in WELL:
            watch(event)
    out, err = capfd.readouterr()
    assert (out, err) == ("", plain(WELL))


def test_terminal_cannot_be_had_where_there_is_none() -> None:
    with pytest.raises(InvalidInput, match="needs a terminal"), watching("tty"):
        pass
    with pytest.raises(InvalidInput, match="did you mean plain"), watching("plan"):
        pass


def test_quiet_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with watching("quiet") as watch:
        for event in FAILING:
            watch(event)
    assert capfd.readouterr() == ("", "")


# --- JSON ---------------------------------------------------------------------------------------


def test_rawjson_is_what_buildkits_clients_read() -> None:
    stream = io.StringIO()
    display = RawJsonDisplay(stream)
    for event in FAILING:
        watcher(display)(event)
    statuses = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {name for status in statuses for name in status} == {"vertexes", "logs", "warnings"}
    planned, last = statuses[0]["vertexes"], {}
    for status in statuses:
        last |= {vertex["digest"]: vertex for vertex in status.get("vertexes", [])}
    assert [vertex["name"] for vertex in planned] == [step.name for step in STEPS]
    cached, copied, made, canceled, *never = last.values()
    assert cached["cached"] is True
    assert copied["inputs"] == [cached["digest"]]
    assert "error" not in copied
    assert (made["error"], canceled["error"]) == ("exit code 2", "context canceled")
    assert not any("started" in vertex for vertex in never)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", made["completed"])
    logs = [log for status in statuses for log in status.get("logs", [])]
    data = b"".join(base64.b64decode(log["data"]) for log in logs if log["vertex"] == made["digest"])
    assert data == b"\x1b[32mgcc\x1b[0m -c main.c\n10 %\r100 %\nlink"
    (warning,) = [each for status in statuses for each in status.get("warnings", [])]
    assert base64.b64decode(warning["short"]).startswith(b"StageNameCasing: Stage name")
    assert warning["range"][0]["start"] == {"line": 1}


# --- notebook -----------------------------------------------------------------------------------


def test_notebook_says_each_state_in_words() -> None:
    shown = board_html(board(WELL, 0.95), is_last=False)
    for word in ("cached", "done", "running", "waiting"):
        assert f"</span> {word}" in shown
    assert "building · 2 of 6 steps · 1 cached" in shown
    assert "<progress " in shown
    assert "gcc -c main.c" in shown
    last = board_html(board(WELL), is_last=True)
    assert "<progress" not in last
    assert last.count("</span> cached</th><td") == 1
    assert last.count("margin-left:") == 5
    assert "StageNameCasing" in last


def test_notebook_shows_nothing_of_a_container_as_html() -> None:
    bad = "<script>alert(1)</script>"
    step = Step(id=0, name=f"RUN {bad}", stage="", kind="run")
    events = (Planned((step,)), Started(0, 0.0), Finished(0, "failed", 1.0, error=bad))
    shown = board(events)
    shown.rows[0].log.feed("stdout", bad.encode())
    assert "<script" not in board_html(shown, is_last=True)
    assert board_text(shown).splitlines()[0].startswith("failed · 0 of 1 steps")


def test_notebook_keeps_long_builds_to_a_screen() -> None:
    running = board_html(board(many(10, 5), 6.1), is_last=False)
    assert running.count("<tr>") <= 27
    assert "38 more" in running
    assert "<details><summary>62 steps" in board_html(board(many(10, 5), 99), is_last=True)


def test_steps_stand_in_the_order_of_the_dockerfile() -> None:
    steps = (
        Step(id=1, name="FROM base", stage="last", kind="source"),
        Step(id=2, name="RUN a", stage="first", kind="run", line=2),
        Step(id=3, name="exporting", stage="", kind="export"),
        Step(id=4, name="COPY", stage="last", kind="copy", line=5),
    )
    assert [step.id for step in as_written(steps, lambda step: step)] == [2, 1, 4, 3]


# --- output -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\tb", "a       b"),
        ("one\rtwo\r", "two"),
        ("\x1b]0;title\x07text\x1b[2K\x1b(B\x1b[1;31m!", "text!"),
        ("\x1bPq#0;2;0;0;0\x1b\\x\x00\x08", "x"),
        ("\x1b[", ""),
    ],
)
def test_control_sequences_of_a_container_stay_away(written: str, shown: str) -> None:
    assert clean(written) == shown


def test_characters_cut_in_two_and_endless_lines() -> None:
    log = Log()
    assert log.feed("stdout", "ü".encode()[:1]) == []
    assert log.feed("stderr", b"between\n") == ["between"]
    assert log.feed("stdout", "ü".encode()[1:] + b"\n") == ["ü"]
    assert [len(line) for line in log.feed("stdout", b"x" * 10_000)] == [4096]
    assert log.end() == []
