"""What a run gives back."""

from __future__ import annotations

import pytest

from containerlab.backends.base import Usage
from containerlab.engine.result import Output, RunResult
from containerlab.errors import ContainerFailed


def test_output_is_bounded_and_says_so() -> None:
    output = Output(kept_bytes=4)
    for chunk in (b"ab", b"cd", b"ef"):
        output.take("stdout", chunk)
    output.take("stderr", b"err")
    assert output.joined() == (("stdout", b"abcd"), ("stderr", b"err"))
    assert output.is_truncated


def test_output_that_changes_streams_with_every_byte_is_bounded_too() -> None:
    output = Output(kept_bytes=10_000)
    for _ in range(1_000):
        output.take("stdout", b"o")
        output.take("stderr", b"e")
    assert len(output.joined()) < 200
    assert output.is_truncated


def test_streams_keep_their_order() -> None:
    result = RunResult(exit_code=0, pieces=(("stdout", b"a\n"), ("stderr", b"b\n"), ("stdout", b"c\n")))
    assert (result.stdout, result.stderr, result.output) == ("a\nc\n", "b\n", "a\nb\nc\n")


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert RunResult(exit_code=0, pieces=(("stdout", b"\xff"),)).stdout == "�"


def test_card_says_what_matters() -> None:
    usage = Usage(cpu_s=0.5, peak_memory_bytes=34 << 20, throttled_s=0.4)
    result = RunResult(exit_code=0, wall_s=1.2, usage=usage, memory_limit_bytes=64 << 20)
    assert result.to_text() == "exit 0 · 1.2 s · peak 34 MiB of 64 MiB · cpu 0.5 s · throttled 0.4 s"


def test_check_tells_the_last_words() -> None:
    result = RunResult(exit_code=3, pieces=(("stderr", b"first\nlast words\n\n"),), command=("sh",))
    with pytest.raises(ContainerFailed, match="exit code 3") as caught:
        result.check()
    assert caught.value.hint == "last words"
    assert caught.value.result is result
    assert RunResult(exit_code=0).check().exit_code == 0


def test_html_escapes_names_and_notices() -> None:
    result = RunResult(exit_code=1, name="<script>", notices=("<img onerror=x>",))
    assert "<script" not in result.to_html()
    assert "<img" not in result.to_html()
