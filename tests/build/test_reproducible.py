"""One Dockerfile, one digest: whoever builds, wherever, whenever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]

DOCKERFILE = """\
FROM test/applets AS one
ARG VERSION=1
WORKDIR /work/deep
RUN echo hi > f; ln f g; ln -s f h; mkdir -p x/y; touch -d '2001-01-01 00:00:00' old; rm /etc/group
RUN hostname > name; date +%Z > zone; id > id; umask > umask; env > env; echo $VERSION > version; pwd > pwd
RUN mkdir full gone; touch full/a full/b; chown -R 7:8 full; chmod 4755 full/a; rmdir gone; mkfifo pipe
FROM test/applets
ENV A=b
LABEL when=never
COPY . /context/
COPY --chown=ann:staff sub /sub/
COPY --from=one /work /etc/hostname* /from/
RUN --mount=type=cache,target=/cache --mount=type=bind,target=/b,rw --mount=type=tmpfs,target=/t \\
    cat /b/one > /copied; touch /b/x /cache/x /t/x; mkdir /run/made; chown 5:6 /copied; rm /context/two
USER ann
WORKDIR /home/ann/x
RUN touch mine; echo $HOME > home
ADD sub/one /added
COPY <<EOF /inline
$A
EOF
CMD ["sh"]
"""
BUILD = """
import os, shutil, sys
from containerlab.engine.engine import Engine
place, umask, time = sys.argv[1], int(sys.argv[2], 8), int(sys.argv[3])
os.umask(umask)
context = f"{place}/context"
os.makedirs(f"{context}/sub")
for name in ("two", "one", "sub/three", "sub/one"):
    with open(f"{context}/{name}", "w") as file:
        file.write(name)
    os.chmod(f"{context}/{name}", 0o755 if name == "two" else 0o644)
    os.utime(f"{context}/{name}", (time, time))
os.symlink("one", f"{context}/link")
os.link(f"{context}/one", f"{context}/hard")
os.chmod(f"{context}/sub", 0o755)
os.chmod(context, 0o755)
with Engine(f"{place}/home") as engine:
    engine.images.load(input=sys.argv[4])
    result = engine.builder.build(context, dockerfile=sys.argv[5], tag="test/same", **eval(sys.argv[6]))
    print(result.digest, *(layer.digest for layer in engine.backend.store.get("test/same").layers))
shutil.rmtree(context)
"""
KNOWN: dict[str, str] = {}
"""What came out first, by compression."""


@pytest.fixture(scope="module")
def archive(base: Path) -> Iterator[Path]:
    """Return the base image as everybody loads it."""
    path = base / "reproducible.tar"
    with containers.engine(base / "reproducible-home") as engine:
        engine.images.save("test/applets", output=str(path))
    path.chmod(0o644)
    yield path
    path.unlink()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_everybody_gets_the_same_digest(
    anyone: User, archive: Path, tmp_path: Path, compression: str
) -> None:
    options = {"build_arg": ["SOURCE_DATE_EPOCH=1700000000"], "compression": compression}
    ways = {"022": ("UTC", "C.UTF-8", "1800000000"), "077": ("Asia/Tokyo", "de_DE.UTF-8", "1900000000")}
    for umask, (zone, language, time) in ways.items():
        place = anyone.home / f"same-{compression}-{umask}-{'deep/er' if umask == '077' else ''}"
        words = [str(place), umask, time, str(archive), DOCKERFILE, repr(options)]
        environment = {**anyone.environment, "TZ": zone, "LC_ALL": language}
        built = anyone.script(BUILD, *words, env=environment)
        assert built.returncode == 0, built.stderr
        assert built.stdout == KNOWN.setdefault(compression, built.stdout), (anyone.kind, umask)
