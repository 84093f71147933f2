"""Contexts and base images that try to lead a build elsewhere, or to stop it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from containerlab.build.building import BuildFailed
from tests.build.place import FROM, Place, statuses
from tests.containers import add_image
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]

INTO_LINKS = """\
COPY <<END /link/copied
END
COPY --link <<END /link/linked
END
WORKDIR /up/made
RUN touch here
RUN --mount=type=cache,target=/link/cache touch /link/cache/file
RUN --mount=type=bind,target=/up/context --mount=type=tmpfs,target=/up/memory touch /up/memory/file
RUN --mount=type=secret,id=key,target=/link/key --mount=type=secret,id=key ls /run/secrets/key
RUN cat /etc/hosts /etc/resolv.conf
"""


def test_links_in_a_base_image_lead_nowhere_outside(place: Place, tmp_path: Path) -> None:
    def link(target: str) -> tuple[bytes, str]:
        return tarfile.SYMTYPE, target

    files = {
        "link": link(str(tmp_path)),
        "up": link(f"../../../..{tmp_path}"),
        "run": link(str(tmp_path)),
        "etc/hosts": link(f"{tmp_path}/hosts"),
        "etc/resolv.conf": link(f"../../..{tmp_path}/resolv.conf"),
    }
    add_image(place.engine.backend, "test/links", files=files, without=("run",))
    os.environ["HOSTILE_KEY"] = "open-sesame"
    result = place.build(f"FROM test/links\n{INTO_LINKS}", secret=["id=key,env=HOSTILE_KEY"])
    assert set(statuses(result)) == {"cached", "done"}
    assert list(tmp_path.iterdir()) == []


def test_a_user_list_that_never_ends_stops_nothing(place: Place) -> None:
    files = {"etc/passwd": (tarfile.FIFOTYPE, ""), "etc/group": (tarfile.FIFOTYPE, "")}
    add_image(place.engine.backend, "test/pipes", files=files)
    with pytest.raises(BuildFailed, match="no user 'ann'"):
        place.build("FROM test/pipes\nUSER ann\nRUN true")
    with pytest.raises(BuildFailed, match="no user 'ann'"):
        place.build("FROM test/pipes\nCOPY --chown=ann <<END /x\nEND\n")
    assert statuses(place.build("FROM test/pipes\nUSER 5\nWORKDIR /x\nRUN true")) == [
        "cached",
        "done",
        "done",
    ]


def test_links_of_a_context_stay_in_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    (place.context / "link").symlink_to(tmp_path)
    (place.context / "up").symlink_to(f"../../../../..{tmp_path}/secret")
    for source in ("link/secret", "up", f"../../../../..{tmp_path}/secret"):
        with pytest.raises(BuildFailed, match="it is not there"):
            place.build(f"{FROM}COPY {source} /x")
    (place.context / "round").symlink_to("round")
    with pytest.raises(BuildFailed, match="Too many levels"):
        place.build(f"{FROM}COPY round /x")
    result = place.build(f"{FROM}COPY . /x/\nRUN for name in link up round; do readlink /x/$name; done")
    assert result.record.steps[2].log.splitlines() == [
        str(tmp_path),
        f"../../../../..{tmp_path}/secret",
        "round",
    ]


def test_odd_names_and_kinds_of_files_arrive(place: Place) -> None:
    context = os.fsencode(place.context)
    for name in (b"\xff\xfe", b"new\nline", b" space ", b"-dash", b"*"):
        with open(context + b"/" + name, "wb") as file:
            file.write(name)
    os.mkfifo(context + b"/pipe")
    result = place.build(f"{FROM}COPY . /x/\nRUN test -p /x/pipe; rm /x/pipe; cat /x/* | od -c")
    assert set(statuses(result)) == {"cached", "done"}


def test_ordinary_users_may_ignore_what_they_cannot_read(single_id_user: User) -> None:
    """What is ignored is not even looked at, so that a million files cost nothing."""
    script = """
import os, sys
from containerlab.engine.engine import Engine
os.makedirs("ignoring/closed/deep")
open("ignoring/file", "w").close()
os.chmod("ignoring/closed", 0)
with Engine(sys.argv[1]) as engine:
    for ignored in ("closed", "**/closed", "*\\n!file", "closed\\n!closed2/x"):
        with open("ignoring/.dockerignore", "w") as file:
            file.write(ignored)
        engine.builder.build("ignoring", dockerfile="FROM test/applets\\nCOPY . /x/")
    os.unlink("ignoring/.dockerignore")
    try:
        engine.builder.build("ignoring", dockerfile="FROM test/applets\\nCOPY . /x/")
    except Exception as error:
        print(error)
os.chmod("ignoring/closed", 0o700)
"""
    home = single_id_user.home / "hostile"
    made = single_id_user.script(
        "import sys; from pathlib import Path; from tests.containers import import_image;"
        "import_image(Path(sys.argv[1]), 'test/applets')",
        str(home),
    )
    assert made.returncode == 0, made.stderr
    told = single_id_user.script(script, str(home))
    assert "cannot read closed" in told.stdout, told
