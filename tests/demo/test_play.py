"""The demo for real: as root, as an ordinary user with subordinate ids, and as one without."""

from __future__ import annotations

import pytest

from tests.users import User


@pytest.mark.slow
def test_demo_writes_its_page_and_shows_limits_where_they_hold(anyone: User) -> None:
    done = anyone.conlab("demo", "page", timeout=240)
    assert done.returncode == 0, done.stderr
    report = anyone.home / "page" / "report.html"
    assert f"Open {report}" in done.stdout
    text = report.read_text()
    assert text.count("<svg") == 4
    kernels = anyone.conlab("vm", "kernel", "ls", "--quiet").stdout
    assert ("no kernel for one is here" in text) == (not kernels)
    assert "container speaks after" in done.stdout
    assert anyone.conlab("ps", "--all", "--quiet").stdout == ""
    if anyone.kind == "root":
        # A machine that is busy with other things may leave the loop less than its limit.
        assert "held back in" in done.stdout or "others kept the processors busy" in done.stdout
        assert "killed by the kernel" in done.stdout
        assert "children started" in done.stdout
    else:
        assert "limits are off" in done.stdout


def test_demo_refuses_what_is_no_directory(anyone: User) -> None:
    done = anyone.conlab("demo", "--fast")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the demo takes one directory" in done.stderr
