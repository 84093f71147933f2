from __future__ import annotations

import subprocess
import sys

import pytest

from containerlab.errors import InvalidInput
from containerlab.linux import capabilities
from containerlab.linux.capabilities import ALL, DOCKER_DEFAULT, chosen, mask, names, parse

EVERY = frozenset(ALL)
PRESENT = capabilities.of_pid().effective


def test_table_reaches_what_the_kernel_knows() -> None:
    assert len(ALL) == 41
    assert ALL.index("CAP_SYS_ADMIN") == 21
    assert ALL.index("CAP_CHECKPOINT_RESTORE") == 40
    assert capabilities.last_cap() >= 37  # Linux 5.8 brought 38 and 39, 5.9 brought 40


@pytest.mark.parametrize("text", ["NET_ADMIN", "CAP_NET_ADMIN", "net_admin", "cap_net_admin", " NET_ADMIN "])
def test_names_are_read_as_docker_does(text: str) -> None:
    assert parse(text) == "CAP_NET_ADMIN"


@pytest.mark.parametrize("text", ["", "NET_ADMN", "CAP_ALL", "CAP_"])
def test_wrong_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="no such capability"):
        parse(text)


def test_wrong_name_hints_at_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="CAP_NET_ADMIN"):
        parse("NET_ADMN")


def test_masks() -> None:
    assert mask(DOCKER_DEFAULT) == 0xA80425FB
    assert names(0xA80425FB) == DOCKER_DEFAULT
    assert mask(EVERY) == 2**41 - 1
    assert names(1 << 45) == {"CAP_45"}
    assert names(0) == frozenset()


# --- what a container gets -----------------------------------------------------------------------

NET_ADMIN, CHOWN, KILL = "CAP_NET_ADMIN", "CAP_CHOWN", "CAP_KILL"


@pytest.mark.parametrize(
    ("add", "drop", "privileged", "expected"),
    [
        ([], [], False, DOCKER_DEFAULT),
        (["NET_ADMIN"], [], False, DOCKER_DEFAULT | {NET_ADMIN}),
        ([], ["CHOWN"], False, DOCKER_DEFAULT - {CHOWN}),
        (["CHOWN"], ["CHOWN"], False, DOCKER_DEFAULT),
        (["ALL"], [], False, EVERY),
        (["all"], ["chown"], False, EVERY - {CHOWN}),
        ([], ["ALL"], False, frozenset()),
        (["KILL"], ["ALL"], False, {KILL}),
        (["ALL"], ["ALL"], False, EVERY),
        (["KILL", "ALL"], ["KILL"], False, EVERY - {KILL}),
        ([], ["ALL"], True, EVERY),
    ],
)
def test_dockers_rules(add: list[str], drop: list[str], privileged: bool, expected: frozenset[str]) -> None:
    assert chosen(add, drop, privileged, available=EVERY) == (expected, ())


def test_missing_capability_is_said_and_not_fatal() -> None:
    found = chosen(["SYS_RESOURCE"], available=EVERY - {"CAP_SYS_RESOURCE", "CAP_BPF"})
    assert found.capabilities == DOCKER_DEFAULT
    (notice,) = found.notices
    assert notice.startswith("CAP_SYS_RESOURCE is not given")


def test_each_missing_capability_is_said_in_the_order_of_its_bit() -> None:
    notices = chosen(privileged=True, available=EVERY - {"CAP_BPF", "CAP_CHOWN"}).notices
    assert [notice.split()[0] for notice in notices] == ["CAP_CHOWN", "CAP_BPF"]


def test_what_is_available_is_the_bounding_set() -> None:
    assert chosen(privileged=True).capabilities == capabilities.bounding() & EVERY


# --- what a process has and gives up -------------------------------------------------------------


def test_sets_of_a_process() -> None:
    text = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    fields = dict(line.split(":\t") for line in text.splitlines() if line.startswith("Cap"))
    assert mask(capabilities.of_pid().bounding) == int(fields["CapBnd"], 16)
    assert mask(capabilities.of_pid().inheritable) == int(fields["CapInh"], 16)


def test_sets_of_a_process_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        capabilities.of_pid(2**22 + 1)


def _child(code: str) -> subprocess.CompletedProcess[str]:
    script = (
        f"from containerlab.linux.capabilities import *; {code}\nprint(*(mask(part) for part in of_pid()))"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def _in_a_child(code: str) -> list[int]:
    """Run code in a new process; return its masks (inheritable, permitted, effective, bounding, ambient)."""
    done = _child(code)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def _failure(code: str) -> str:
    done = _child(code)
    assert done.returncode == 1
    return done.stderr


needs_setpcap = pytest.mark.skipif("CAP_SETPCAP" not in PRESENT, reason="needs CAP_SETPCAP")


@needs_setpcap
def test_container_has_exactly_what_was_chosen() -> None:
    keep = mask(chosen().capabilities)
    sets = _in_a_child(f"drop_bounding({keep}); clear_ambient(); apply({keep}, {keep}, 0)")
    assert sets == [0, keep, keep, keep, 0]


@needs_setpcap
def test_bounding_set_can_be_emptied() -> None:
    assert _in_a_child("drop_bounding(0)")[3] == 0


@needs_setpcap
def test_nothing_to_drop_needs_no_right() -> None:
    few = mask({"CAP_CHOWN"})
    dropped = f"drop_bounding({few}); apply(0, 0, 0); "
    assert _in_a_child(dropped + f"drop_bounding({few})") == [0, 0, 0, few, 0]
    assert "Operation not permitted" in _failure(dropped + "drop_bounding(0)")


@needs_setpcap
def test_ambient_set() -> None:
    few = mask({"CAP_CHOWN", "CAP_KILL"})
    given = f"apply({few}, {few}, {few}); set_ambient({few})"
    assert _in_a_child(given)[4] == few
    assert _in_a_child(given + "; clear_ambient()")[4] == 0
    one = mask({"CAP_KILL"})
    assert _in_a_child(given + f"; set_ambient({one})")[4] == one


@pytest.mark.root
def test_permitted_set_outlives_a_change_of_user_only_when_kept() -> None:
    kept = _in_a_child("import os; keep_caps(True); os.setresuid(65534, 65534, 65534)")
    assert kept[1] == mask(PRESENT)
    assert _in_a_child("import os; keep_caps(False); os.setresuid(65534, 65534, 65534)")[1:3] == [0, 0]
