"""Who --user means: exactly what the files say, and never root by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.errors import InvalidInput
from containerlab.runtime.users import Account, resolve

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
ann:x:1000:1000:Ann,,,:/home/ann:/bin/sh
1000:x:0:0:the number is a name:/root:/bin/sh
twin:x:1000:7::/home/twin:
short:x:5:6:no shell:/short
"""
GROUP = b"""root:x:0:
ann:x:1000:
staff:x:50:ann,bob
wheel:x:10:bob,ann
2000:x:0:
nomembers:x:77
"""


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("", Account(0, 0, (0,), "/root")),
        ("0", Account(0, 0, (0,), "/root")),
        ("root", Account(0, 0, (0,), "/root")),
        ("ann", Account(1000, 1000, (1000, 50, 10), "/home/ann")),
        ("ann:staff", Account(1000, 50, (50,), "/home/ann")),
        ("ann:0", Account(1000, 0, (0,), "/home/ann")),
        # CVE-2016-3697: a number is a number, whatever passwd calls itself so.
        ("1000", Account(1000, 1000, (1000, 50, 10), "/home/ann")),
        ("1000:2000", Account(1000, 2000, (2000,), "/home/ann")),
        ("4711", Account(4711, 0, (0,), "")),
        ("4711:4712", Account(4711, 4712, (4712,), "")),
        ("short", Account(5, 6, (6,), "/short")),
        ("2147483647", Account(2147483647, 0, (0,), "")),
    ],
)
def test_user_is_what_the_files_say(user: str, account: Account) -> None:
    assert resolve(user, PASSWD, GROUP) == account


@pytest.mark.parametrize(
    "user",
    [
        *("4294967296", "4294967295", "2147483648", "-1", "--5", "9" * 5000, "1000:4294967296", "0:-1"),
        *(
            "1000:",
            ":",
            ":0",
            ":ann",
            "nobody",
            "ann:nobody",
            "+0",
            "0x0",
            " 0",
            "0 ",
            "1_0",
            "٠",
            "²",
            "a:b:c",
        ),
    ],
)
def test_what_is_no_user_is_an_error_and_never_root(user: str) -> None:
    with pytest.raises(InvalidInput):
        resolve(user, PASSWD, GROUP)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"evil:x:4294967296:4294967296::/:",
            b"evil:x:4294967295:0::/:",
            b"evil:x::0::/:",
            b"evil:x:-1:0::/:",
        ),
        *(b"evil:x:1000:::/:", b"evil:x:1000:x::/:", b"evil:x:1000:4294967296::/:", b"evil:x:0"),
        *(b"evil:x:" + b"9" * 5000 + b":0::/:", b"evil", b"#evil:x:0:0::/:", b"+evil:x:0:0::/:", b""),
    ],
)
def test_a_line_that_does_not_parse_is_no_user(line: bytes) -> None:
    with pytest.raises(InvalidInput):
        resolve("evil", line + b"\nroot:x:0:0::/:\n", None)


def test_groups_are_added_and_the_primary_one_is_among_them() -> None:
    assert resolve("ann:staff", PASSWD, GROUP, ("wheel", "50", "4711")).groups == (50, 10, 4711)
    assert resolve("4711:2000", None, None).groups == (2000,)


def test_a_group_whose_id_is_out_of_range_is_not_there() -> None:
    groups = b"big:x:4294967296:ann\n" + GROUP
    assert resolve("ann", PASSWD, groups).groups == (1000, 50, 10)
    with pytest.raises(InvalidInput):
        resolve("ann", PASSWD, groups, ("big",))


@given(
    st.text(max_size=20),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.lists(st.text(max_size=5), max_size=3),
)
def test_any_input_gives_ids_in_range_or_one_error(
    user: str, passwd: bytes, group: bytes, extra: list[str]
) -> None:
    try:
        account = resolve(user, passwd, group, extra)
    except InvalidInput:
        return
    assert 0 <= account.uid < 2**31
    assert account.gid in account.groups
    assert all(0 <= gid < 2**31 for gid in account.groups)


@given(st.integers(-(2**34), 2**34))
def test_a_number_maps_to_itself_or_fails(number: int) -> None:
    try:
        assert resolve(str(number), PASSWD, GROUP).uid == number
    except InvalidInput:
        assert not 0 <= number < 2**31
