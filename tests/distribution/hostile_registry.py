"""A registry whose every word wants to be obeyed by a terminal, or to be HTML in a notebook."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from containerlab.oci import digest as digests
from containerlab.oci.image import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from tests.distribution import documents
from tests.distribution.peers import Request, respond

__all__ = ["HOSTILE_TAGS", "WORDS", "answer"]

WORDS = "\x1b[31mEVIL\x1b]0;title\x07\u009b31m\u202e\r\nFORGED<img src=x onerror=alert(1)>"
HOSTILE_TAGS = ("v1", WORDS, "../../../etc/x", "a:b", "", "-rf")


def _layer() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    return archive.getvalue()


_PLAIN = _layer()
_LAYER = gzip.compress(_PLAIN, mtime=0)
_CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "author": WORDS,
        "config": {"Labels": {WORDS: WORDS}, "Env": [f"A={WORDS}"], "Cmd": [WORDS], "User": WORDS},
        "rootfs": {"type": "layers", "diff_ids": [digests.of(_PLAIN)]},
        "history": [{"created_by": WORDS, "comment": WORDS, "author": WORDS}],
    }
).encode()
_IMAGE = documents.image(
    config=documents.descriptor(_CONFIG, OCI_CONFIG),
    layers=[documents.descriptor(_LAYER, OCI_LAYER_GZIP, annotations={WORDS: WORDS})],
    annotations={WORDS: WORDS},
)
_ARTIFACT = documents.image(
    config=documents.descriptor(b"{}", f"application/{WORDS}"),
    layers=[documents.descriptor(b"{}", f"text/{WORDS}")],
    artifactType=f"application/{WORDS}",
    annotations={WORDS: WORDS},
)
_INDEX = documents.encode(
    {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            documents.descriptor(
                _IMAGE, OCI_MANIFEST, platform={"os": f"linux{WORDS}", "architecture": WORDS}
            )
        ],
    }
)
_BY_NAME = {"v1": _IMAGE, "artifact": _ARTIFACT, "index": _INDEX}
_BLOBS = {digests.of(each): each for each in (_LAYER, _CONFIG, b"{}")}
_MANIFESTS = {digests.of(each): each for each in _BY_NAME.values()} | _BY_NAME
_WARNING = ("Warning", f'299 - "warned {WORDS[:8]}"')


def answer(request: Request) -> bytes:
    """Answer as such a registry."""
    path, last = request.path, request.path.rpartition("/")[2]
    if path == "/v2/":
        return respond(200, b"{}", [_WARNING])
    if path == "/v2/_catalog":
        return _json({"repositories": ["lab/app", WORDS]})
    if path.endswith("/tags/list"):
        return _json({"tags": HOSTILE_TAGS})
    if "/referrers/" in path:
        entry = documents.descriptor(_ARTIFACT, OCI_MANIFEST, artifactType=WORDS, annotations={WORDS: WORDS})
        return _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}, OCI_INDEX)
    if last in _BLOBS and "/blobs/" in path:
        return respond(200, _BLOBS[last])
    if last in _MANIFESTS and "/manifests/" in path:
        raw = _MANIFESTS[last]
        found = respond(200, raw, [("Content-Type", json.loads(raw)["mediaType"]), _WARNING])
        return found.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else found
    return _json({"errors": [{"code": WORDS, "message": WORDS}]}, status=404)


def _json(value: object, media_type: str = "application/json", status: int = 200) -> bytes:
    return respond(status, json.dumps(value).encode(), [("Content-Type", media_type), _WARNING])
