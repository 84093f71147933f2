"""Lines of the log say what happened, whatever clients send, and their number has an end."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from containerlab.distribution.server.protocol import log


@given(st.text())
def test_no_text_ends_a_line_or_its_quotation(text: str) -> None:
    shown = log._harmless(text)
    assert shown.isprintable()
    assert '"' not in shown
    assert len(shown.splitlines()) <= 1


def test_a_log_that_is_too_long_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(fd, b"a line\n" * 100)
        log.bound(fd, 700)
        assert path.stat().st_size == 700
        os.write(fd, b"one more\n")
        log.bound(fd, 700)
        os.write(fd, b"after that\n")
    finally:
        os.close(fd)
    assert path.read_text() == "earlier lines were dropped\nafter that\n"
