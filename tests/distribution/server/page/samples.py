"""Images as people build them, with a history, for pages to show; the same every time."""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, Manifest, RootFS
from tests.image_layouts import Layout, archive

__all__ = ["Line", "base", "image", "layouts", "leaky", "shop"]


class Line(NamedTuple):
    """A line of a Dockerfile, and the files of its layer; no files: it has no layer."""

    created_by: str
    files: Mapping[str, bytes] = MappingProxyType({})


def image(
    layout: Layout, lines: Sequence[Line], config: Config, architecture: str = "amd64", created: float = 1.7e9
) -> Descriptor:
    """Add an image that these lines made, a minute apart."""
    archives = [archive(line.files) for line in lines if line.files]
    layers = [layout.blob(gzip.compress(each, 1, mtime=0), documents.OCI_LAYER_GZIP) for each in archives]
    history = [
        History(
            created=documents.format_time(created + 60 * number),
            created_by=line.created_by,
            empty_layer=not line.files,
        )
        for number, line in enumerate(lines)
    ]
    written = ImageConfig(
        created=documents.format_time(created),
        architecture=architecture,
        os="linux",
        config=config,
        rootfs=RootFS(diff_ids=tuple(map(digests.of, archives))),
        history=tuple(history),
    )
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        config=layout.blob(documents.encode_config(written), documents.OCI_CONFIG),
        layers=tuple(layers),
    )
    return layout.blob(documents.encode(manifest), documents.OCI_MANIFEST)


def base(seed: int = 0, size: int = 400_000) -> list[Line]:
    """Return the lines of a small distribution."""
    noise = random.Random(seed)
    return [
        Line(
            "ADD rootfs.tar.xz / # buildkit",
            {f"usr/lib/lib{name}.so": noise.randbytes(size // 4) for name in ("c", "m", "ssl", "z")},
        ),
        Line('CMD ["bash"]'),
    ]


def shop(layout: Layout, version: int, architecture: str = "amd64") -> Descriptor:
    """Add a web shop; of two versions only what stands at the end differs."""
    noise = random.Random(f"{version} {architecture}")
    common = random.Random(f"shop {architecture}")
    lines = [
        *base(size=400_000 if architecture == "amd64" else 380_000),
        Line("ENV PYTHONUNBUFFERED=1"),
        Line(
            "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends"
            " python3 ca-certificates && rm -rf /var/lib/apt/lists/* # buildkit",
            {
                "usr/bin/python3.11": common.randbytes(260_000),
                "etc/ssl/certs/ca.crt": common.randbytes(30_000),
            },
        ),
        Line("WORKDIR /srv/shop", {"srv/shop/.keep": b""}),
        Line("COPY requirements.txt . # buildkit", {"srv/shop/requirements.txt": b"starlette\nuvicorn\n"}),
        Line(
            "RUN /bin/sh -c pip install --no-cache-dir -r requirements.txt # buildkit",
            {
                f"usr/lib/python3/dist-packages/{name}.py": common.randbytes(45_000)
                for name in ("uvicorn", "h11")
            },
        ),
        Line("COPY src/ /srv/shop/ # buildkit", {"srv/shop/app.py": noise.randbytes(20_000 + 900 * version)}),
        Line("USER shop"),
        Line("EXPOSE map[8080/tcp:{}]"),
        Line('CMD ["uvicorn" "app:app" "--port" "8080"]'),
    ]
    config = Config(
        user="shop",
        env=(
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "PYTHONUNBUFFERED=1",
            f"SHOP={version}",
        ),
        cmd=("uvicorn", "app:app", "--port", "8080"),
        working_dir="/srv/shop",
        exposed_ports={"8080/tcp": {}},
        labels={
            "org.opencontainers.image.title": "Shop",
            "org.opencontainers.image.version": f"1.{version}.0",
            "org.opencontainers.image.source": "https://git.example/lab/shop",
        },
    )
    return image(layout, lines, config, architecture, created=1.79e9 + 86400 * version)


def leaky(layout: Layout) -> Descriptor:
    """Add an image with a secret that a later layer deletes."""
    token = "ghp_" + "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", k=36))
    lines = [
        *base(size=40_000),
        Line(
            "COPY .netrc /root/.netrc # buildkit", {"root/.netrc": f"machine git password {token}\n".encode()}
        ),
        Line("RUN /bin/sh -c rm /root/.netrc # buildkit", {"root/.wh..netrc": b""}),
        Line("ENV DATABASE_PASSWORD=hunter2-and-more"),
    ]
    return image(layout, lines, Config(env=("DATABASE_PASSWORD=hunter2-and-more",)))


def layouts(folder: Path) -> dict[str, str]:
    """Write all samples; return how skopeo calls each, by the name that it is to have in a registry."""
    layout = Layout(folder)
    found = {
        f"lab/shop:1.{version}": layout.tag(f"shop-{version}", shop(layout, version))
        for version in range(1, 6)
    }
    both = layout.index({"amd64": shop(layout, 6), "arm64": shop(layout, 6, "arm64")})
    found["lab/shop:1.6"] = found["lab/shop:latest"] = layout.tag("shop-6", both)
    found["lab/base:12"] = layout.tag("base", image(layout, base(), Config(cmd=("bash",))))
    found["lab/base:13"] = layout.tag("base-13", image(layout, base(7), Config(cmd=("bash",))))
    found["course/notebook:2026"] = layout.tag(
        "notebook", image(layout, base(3, 900_000), Config(cmd=("sh",)))
    )
    found["course/exercises/day-1:1"] = layout.tag("day", image(layout, base(4, 90_000), Config(cmd=("sh",))))
    found["course/leaky:1"] = layout.tag("leaky", leaky(layout))
    found["busybox:1"] = layout.tag("busybox", layout.runnable())
    return found
