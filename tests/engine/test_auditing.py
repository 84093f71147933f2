"""`image audit`: what it finds in images from anywhere, what is ignored, what a shell and a notebook get."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from containerlab import cli
from containerlab.backends.embedded_images import EmbeddedImages
from containerlab.engine.auditing import Audit
from containerlab.engine.engine import Engine
from containerlab.errors import LabError, NotFound
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, Index, Manifest, RootFS
from containerlab.oci.platform import Platform
from containerlab.store.assemble import Layer, assemble
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from tests import containers as small
from tests.build.audit import planted
from tests.store import pictures

PASSWORD = "xK93" + "-vQp-77"
TOKEN = planted.of_kind("github-token")
KEY = planted.private_key("OPENSSH")


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    return base / "audited"


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    """Yield an engine with the images `leaky` and `clean`."""
    images = EmbeddedImages(Home.open(home)).store
    with images.blobs.lease():
        images.put("leaky", _leaky(images.blobs))
    pictures.put(images, "clean", "nothing to see")
    images.close()
    with Engine(home) as engine:
        yield engine


def _leaky(blobs: Blobs) -> Descriptor:
    """Write an image as another builder makes it: a key that a later layer deletes, and more."""
    contents = [
        {"root/.ssh/id_rsa": KEY.encode(), "app/.env": f"A=1\nGH={TOKEN}\n".encode()},
        {"app/.env": b"A=1\n", "usr/lib/x/test/key.pem": planted.private_key().encode()},
        {"root/.ssh/.wh.id_rsa": b""},
    ]
    lines = [
        "COPY keys /root/.ssh",
        f"RUN |1 API_TOKEN={PASSWORD} /bin/sh -c make",
        "RUN rm /root/.ssh/id_rsa",
    ]
    layers = [_layer(blobs, *each) for each in zip(contents, lines, strict=True)]
    config = ImageConfig(
        architecture="amd64", os="linux", rootfs=RootFS(), config=Config(env=(f"DB_PASSWORD={PASSWORD}",))
    )
    return assemble(blobs, layers, config)


def _layer(blobs: Blobs, files: dict[str, bytes], line: str) -> Layer:
    plain = pictures.tar(files)
    return Layer(blobs.write(plain, documents.OCI_LAYER), digests.of(plain), History(created_by=line))


def audit(engine: Engine, name: str = "leaky", **options: object) -> Audit:
    return engine.images.audit(name, **options)  # type: ignore[arg-type]


def test_finds_what_any_builder_leaves(engine: Engine) -> None:
    found = [(each.severity, each.kind, each.layer, each.path, each.line) for each in audit(engine)]
    assert found == [
        ("high", "github-token", 1, "app/.env", 2),
        ("high", "private-key", 1, "root/.ssh/id_rsa", 1),
        ("medium", "env-secret", 0, "ENV DB_PASSWORD", 0),
        ("medium", "build-arg-secret", 0, "history 2: ARG API_TOKEN", 0),
    ]


def test_says_which_instruction_did_it_and_what_became_of_it(engine: Engine) -> None:
    env, key, *_ = audit(engine)
    assert key.instruction == "COPY keys /root/.ssh"
    assert key.note == "deleted in layer 3, still in layer 1"
    assert env.note == "overwritten in layer 2, still in layer 1"


@pytest.mark.slow
def test_no_view_shows_a_value(engine: Engine) -> None:
    found = audit(engine, severity="low")
    shown = found.to_text(full=True) + found.to_html() + found.to_json() + found.to_frame().to_string()
    for value in (PASSWORD, TOKEN[4:], *KEY.splitlines()[1:3]):
        assert value not in shown
    assert "ghp_***" in shown
    assert "API_TOKEN=***" in shown


def test_what_is_less_severe_is_counted_and_shown_when_asked(engine: Engine) -> None:
    assert audit(engine).title == "leaky: 2 high, 2 medium; 1 less severe (--severity low shows all)"
    assert audit(engine, severity="low").title == "leaky: 2 high, 2 medium, 1 low"
    assert {each.severity for each in audit(engine, severity="high")} == {"high"}


def test_kinds_and_paths_can_be_ignored(engine: Engine, tmp_path: Path) -> None:
    listed = tmp_path / "ignored"
    listed.write_text("# known\nprivate-key:root/*\n\nENV DB_*\n")
    found = audit(engine, ignore=["/app/.env"], ignore_file=str(listed))
    assert [each.kind for each in found] == ["build-arg-secret"]
    assert found.title.endswith("3 ignored")
    assert not audit(engine, ignore=["*"])
    with pytest.raises(LabError, match="--ignore-file"):
        audit(engine, ignore_file=str(tmp_path / "none"))


def test_an_image_without_secrets(engine: Engine) -> None:
    found = audit(engine, "clean")
    assert (len(found), found.exit_code, found.to_text()) == (0, 0, "clean: nothing found")


def test_an_unknown_image_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound):
        audit(engine, "nothing")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["leaky"], 1),
        (["--exit-code", "7", "leaky"], 7),
        (["--exit-code", "0", "leaky"], 0),
        (["--ignore", "*", "leaky"], 0),
        (["clean"], 0),
    ],
)
def test_exit_codes_for_ci(engine: Engine, home: Path, words: list[str], code: int) -> None:
    assert cli.main(["--home", str(home), "image", "audit", *words]) == code


def test_json_and_templates(engine: Engine, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cli.main(["--home", str(home), "image", "audit", "--json", "leaky"])
    assert json.loads(capfd.readouterr().out)[0]["path"] == "app/.env"
    cli.main(["--home", str(home), "image", "audit", "--format", "{{.Kind}} {{.Layer}}", "leaky"])
    assert capfd.readouterr().out.splitlines()[1] == "private-key 1"


def test_an_archive_of_docker_and_a_root_file_system(engine: Engine, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    engine.images.save("leaky", output=str(archive))
    with Engine(tmp_path / "other") as other:
        other.images.load(input=str(archive))
        assert [each.kind for each in audit(other)] == [each.kind for each in audit(engine)]
        rootfs = tmp_path / "rootfs.tar"
        rootfs.write_bytes(pictures.tar({".netrc": f"machine h password {PASSWORD}".encode()}))
        other.images.import_(str(rootfs), "rootfs")
        assert [each.kind for each in audit(other, "rootfs")] == ["netrc"]


@pytest.mark.root
@pytest.mark.slow
def test_a_committed_container(base: Path) -> None:
    with small.engine(base / "committed") as engine:
        engine.containers.run(
            small.IMAGE, ["sh", "-c", f"echo machine h password {PASSWORD} >/.netrc"], name="leaky"
        )
        engine.containers.commit("leaky", "leaky")
        (found,) = audit(engine)
        assert (found.kind, found.layer, found.path) == ("netrc", 2, ".netrc")
        engine.containers.remove("leaky")


def test_what_lies_beside_an_image_is_searched(home: Path, tmp_path: Path) -> None:
    """As BuildKit attaches it: an index with the image and an attestation of how it was built."""
    images = EmbeddedImages(Home.open(tmp_path / "home")).store
    with images.blobs.lease():
        images.put("attested", _attested(images.blobs))
    images.close()
    with Engine(tmp_path / "home") as engine:
        found = {(each.kind, each.path) for each in audit(engine, "attested")}
    assert found == {
        ("provenance-secret", "provenance build-arg:API_TOKEN"),
        ("provenance-secret", "provenance data"),
        ("annotation-secret", "annotation org.example.password"),
    }


def _attested(blobs: Blobs) -> Descriptor:
    dockerfile = base64.b64encode(f"ENV SECRET={PASSWORD}-2".encode()).decode()
    statement = {"args": {"build-arg:API_TOKEN": PASSWORD}, "infos": [{"data": dockerfile}]}
    layer = blobs.write(json.dumps(statement).encode(), "application/vnd.in-toto+json")
    paper = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        config=blobs.write(b"{}", documents.OCI_CONFIG),
        layers=(layer,),
    )
    beside = blobs.write(documents.encode(paper), documents.OCI_MANIFEST)
    config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS())
    image = assemble(blobs, [_layer(blobs, {"a": b""}, "COPY a /")], config)
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest}
    unknown = Platform("unknown", "unknown")
    index = Index(
        schema_version=2,
        media_type=documents.OCI_INDEX,
        annotations={"org.example.password": PASSWORD},
        manifests=(
            _with(image, platform=config.platform),
            _with(beside, platform=unknown, annotations=marks),
        ),
    )
    return blobs.write(documents.encode(index), documents.OCI_INDEX)


def _with(descriptor: Descriptor, **fields: object) -> Descriptor:
    return msgspec.structs.replace(descriptor, **fields)


def test_a_cut_off_layer_is_an_error_not_a_clean_image(engine: Engine, home: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("a")
        entry.size = 5000
        archive.addfile(entry, io.BytesIO(bytes(5000)))
    images = EmbeddedImages(Home.open(tmp_path / "home")).store
    with images.blobs.lease():
        cut = stream.getvalue()[:3000]
        layer = Layer(images.blobs.write(cut, documents.OCI_LAYER), digests.of(cut), History())
        config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS())
        images.put("cut", assemble(images.blobs, [layer], config))
    images.close()
    with Engine(tmp_path / "home") as other, pytest.raises(LabError, match="cut off"):
        audit(other, "cut")
