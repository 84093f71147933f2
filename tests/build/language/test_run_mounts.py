"""Values of RUN --mount and --device."""

from __future__ import annotations

import pytest

from containerlab.build.language.run_mounts import Device, RunMount, check, device, parse
from containerlab.errors import InvalidInput


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("target=/x", RunMount(target="/x")),
        (
            "type=bind,from=build,src=/a,dst=/b,rw",
            RunMount(from_="build", source="/a", target="/b", is_read_only=False),
        ),
        ("source=a,destination=/b,readwrite=false", RunMount(source="a", target="/b")),
        ("TYPE=Cache,Target=/x", RunMount(type="cache", target="/x", is_read_only=False)),
        (
            "type=cache,id=i,target=/x,sharing=Locked,mode=0755,uid=1000,gid=100,from=b,source=/c",
            RunMount(
                type="cache",
                id="i",
                target="/x",
                sharing="locked",
                mode=0o755,
                uid=1000,
                gid=100,
                from_="b",
                source="/c",
                is_read_only=False,
            ),
        ),
        ("type=cache,target=/x,ro", RunMount(type="cache", target="/x")),
        ("type=cache,target=/x,readonly=0", RunMount(type="cache", target="/x", is_read_only=False)),
        (
            "type=tmpfs,target=/x,size=1k",
            RunMount(type="tmpfs", target="/x", size_bytes=1024, is_read_only=False),
        ),
        ("type=secret,id=s", RunMount(type="secret", id="s")),
        ("type=secret,target=/run/x", RunMount(type="secret", target="/run/x")),
        ("type=secret,src=s,required", RunMount(type="secret", source="s", is_required=True)),
        ("type=secret,id=s,env=TOKEN,required=false", RunMount(type="secret", id="s", variable="TOKEN")),
        ("type=ssh", RunMount(type="ssh")),
        ("type=ssh,id=k,required=true,mode=600", RunMount(type="ssh", id="k", is_required=True, mode=0o600)),
        ('type=bind,"source=a,b",target=/x', RunMount(source="a,b", target="/x")),
        ("target=/x=y", RunMount(target="/x=y")),
    ],
)
def test_mount(value: str, expected: RunMount) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("type=binds,target=/x", "unsupported mount type 'binds'", "did you mean bind?"),
        ("type=cache,sharing=share,target=/x", "unsupported mount sharing 'share'", "did you mean shared?"),
        ("targt=/x", "unexpected key 'targt' in 'targt=/x'", "did you mean target?"),
        ("target", "invalid field 'target' must be a key=value pair", ""),
        ("readony", "invalid field 'readony' must be a key=value pair", "did you mean readonly?"),
        ("target=/x,required", "unexpected key 'required' for mount type 'bind'", ""),
        ("type=cache,size=1,target=/x", "unexpected key 'size' for mount type 'cache'", ""),
        ("mode=0755,target=/x", "mode not allowed for bind mounts", ""),
        ("type=tmpfs,target=/x,uid=1", "uid not allowed for tmpfs mounts", ""),
        ("type=ssh,sharing=locked", "a ssh mount cannot define sharing", "only a cache does"),
        ("type=cache,target=/x,env=A", "a cache mount cannot define env", "only a secret does"),
        ("type=secret,id=a,from=b", "a secret mount cannot have a from", ""),
        ("type=secret", "a secret mount needs an id, a target or an env", ""),
        ("type=secret,id=a,source=b", "a secret mount cannot have both source and id", ""),
        ("type=secret,id=a,mode=999", "invalid value '999' for mode", "octal, as 0755"),
        ("type=secret,id=a,uid=-1", "invalid value '-1' for uid", "a number"),
        ("type=secret,id=a,gid=4294967296", "invalid value '4294967296' for gid", "a number"),
        ("target=/x,rw=yes", "invalid value for rw: 'yes'", "it is true or false"),
        ("", "the value is empty", ""),
    ],
)
def test_wrong_mount(value: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse(value)
    assert (error.value.message, error.value.hint) == (message, hint)


def test_values_are_expanded_and_keys_are_not() -> None:
    assert parse("type=$T,target=$X", {"$T": "cache", "$X": "/x"}.get) == RunMount(
        type="cache", target="/x", is_read_only=False
    )


def test_only_what_no_variable_changes_is_checked_early() -> None:
    check("type=$T,target=$X,whatever,from=a$")
    for wrong in ("from=$X", "FROM=a$b", '"a'):
        with pytest.raises(InvalidInput):
            check(wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("vendor.com/class=x", Device(name="vendor.com/class=x")),
        ("name=vendor.com/class=x,required", Device(name="vendor.com/class=x", is_required=True)),
        ("gpu,required=false", Device(name="gpu")),
    ],
)
def test_device(value: str, expected: Device) -> None:
    assert device(value) == expected


@pytest.mark.parametrize("value", ["a,b", "name=a,name=b", "a,requird=true", "a,required=x", ""])
def test_wrong_device(value: str) -> None:
    with pytest.raises(InvalidInput):
        device(value)
