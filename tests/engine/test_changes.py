"""Small pure parts of the engine: --change, --filter, places to copy from and to."""

from __future__ import annotations

import pytest

from containerlab.backends.base import ContainerInfo
from containerlab.engine import changes, filters
from containerlab.engine.copying import Place, place
from containerlab.errors import InvalidInput


def test_instructions_become_configuration() -> None:
    lines = ['CMD ["a", "b"]', "ENTRYPOINT run me", "env A=1 B='x y'", "ENV C d e", "LABEL k=v", "EXPOSE 80"]
    assert changes.config(lines) == {
        "Cmd": ["a", "b"],
        "Entrypoint": ["/bin/sh", "-c", "run me"],
        "Env": ["A=1", "B=x y", "C=d e"],
        "Labels": {"k": "v"},
        "ExposedPorts": {"80/tcp": {}},
    }


@pytest.mark.parametrize("line", ["RUN x", "CMD [x", "nonsense"])
def test_wrong_instruction_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="--change"):
        changes.config([line])


def _info(name: str, status: str, created: float, **more: object) -> ContainerInfo:
    base = {"id": name * 8, "name": name, "image": "lab/base:latest", "image_id": "sha256:1", "command": ()}
    return ContainerInfo(**{**base, "created": created, "status": status, **more})  # type: ignore[arg-type]


EVERYONE = [
    _info("web", "running", 1, labels={"tier": "front"}),
    _info("db", "exited", 2, exit_code=3),
    _info("new", "created", 3),
]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["web"]),
        ({"all": True}, ["new", "db", "web"]),
        ({"last": 2}, ["new", "db"]),
        ({"latest": True}, ["new"]),
        ({"filter": (("status", "exited"),)}, ["db"]),
        ({"filter": (("exited", "3"),)}, ["db"]),
        ({"filter": (("exited", "0"),)}, []),
        ({"filter": (("label", "tier=front"),)}, ["web"]),
        ({"all": True, "filter": (("name", "e"),)}, ["new", "web"]),
        ({"all": True, "filter": (("name", "db"), ("name", "new"))}, ["new", "db"]),
        ({"all": True, "filter": (("before", "new"),)}, ["db", "web"]),
        ({"all": True, "filter": (("ancestor", "lab/base"),)}, ["new", "db", "web"]),
    ],
)
def test_filters(options: dict[str, object], names: list[str]) -> None:
    assert [info.name for info in filters.containers(EVERYONE, options)] == names


def test_wrong_filter_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="did you mean label"):
        filters.containers(EVERYONE, {"filter": (("lable", "x"),)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web:/etc/x", Place("web", "/etc/x")),
        ("web:etc", Place("web", "/etc")),
        ("/a:b", Place("", "/a:b")),
        ("./a:b", Place("", "./a:b")),
        ("plain", Place("", "plain")),
        ("-", Place("", "-")),
    ],
)
def test_places(text: str, expected: Place) -> None:
    assert place(text) == expected
