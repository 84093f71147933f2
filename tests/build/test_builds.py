"""Whole builds, as root, as an ordinary user with subordinate ids, and as one without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers import until
from tests.users import User

pytestmark = pytest.mark.slow

EVERYTHING = """\
FROM lab/base AS base
WORKDIR /work
RUN echo made > file; chown 7:8 file; mkdir -p gone; rm -r gone
FROM base
COPY --chown=12:34 hello /to/
COPY --from=base /work/file /to/made
RUN --mount=type=cache,target=/cache echo kept > /cache/f
RUN --mount=type=cache,target=/cache cat /cache/f
RUN --mount=type=bind,target=/ctx cat /ctx/hello
RUN --mount=type=bind,from=base,source=/etc,target=/e,rw touch /e/x; ls /e
RUN --mount=type=bind,from=base,target=/b cat /b/work/file; ! touch /b/x
RUN --mount=type=bind,from=base,target=/b,rw echo > /b/work/file; chown 5:6 /b/work/file; mkdir /b/work/new
RUN --mount=type=tmpfs,target=/t,size=1m touch /t/x
RUN --mount=type=secret,id=tok,env=TOK --mount=type=secret,id=tok cat /run/secrets/tok; echo $TOK
RUN <<EOF
#!/usr/bin/env python3
print("py")
EOF
CMD ["cat", "/to/hello", "/to/made"]
"""


@pytest.fixture
def context(anyone: User) -> Path:
    """Return a folder with files and a Dockerfile that uses most of what there is."""
    folder = anyone.home / "context"
    folder.mkdir(exist_ok=True)
    (folder / "hello").write_text("hello\n")
    (folder / "token").write_text("sesame-open\n")
    (folder / "Dockerfile").write_text(EVERYTHING)
    (folder / ".dockerignore").write_text("token\n")
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return folder


def test_anyone_builds_what_the_dockerfile_says(anyone: User, context: Path) -> None:
    built = anyone.conlab(
        "build", "--progress", "plain", "--secret", f"id=tok,src={context}/token", "-t", "all", str(context)
    )
    assert built.returncode == 0, built.stderr
    assert "sesame" not in built.stdout + built.stderr
    assert "***" in built.stderr
    assert anyone.conlab("run", "--rm", "all").stdout == "hello\nmade\n"
    shown = anyone.conlab("run", "--rm", "all", "sh", "-c", "ls /; ls /run")
    assert not {"b", "cache", "ctx", "e", "t", "secrets"} & set(shown.stdout.split())
    until(lambda: not list((_home_of(anyone) / "tmp").iterdir()))


def _home_of(user: User) -> Path:
    chosen = user.environment.get("CONTAINERLAB_HOME")
    return Path(chosen) if chosen else user.home / ".local/share/containerlab"
