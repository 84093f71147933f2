"""Where a build goes: how `--output` is read, and what is there afterwards."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.record import LintWarning
from containerlab.build.result.metadata import Metadata, image_id, write_iid_file, write_metadata_file
from containerlab.build.result.outputs import Output, parse
from containerlab.build.result.writing import write
from containerlab.oci import image as documents
from containerlab.store import archives, tar_read
from containerlab.store import tar_write as tar
from containerlab.store.images import Images
from tests.build import made
from tests.store.tars import archive, entry, link

LOWER = archive(
    entry("bin/", tar.DIRECTORY),
    entry("bin/tool", content=b"#!", mode=0o4755, uid=1000, gid=1000),
    entry("secret", content=b"x"),
    link("also", "bin/tool", tar.HARD_LINK),
    link("sh", "bin/tool"),
    entry("null", tar.CHARACTER, device=(1, 3)),
)
UPPER = archive(entry(".wh.secret"), entry("new", content=b"y", mtime=2_000_000_000))


def image(images: Images, platform: str = "linux/amd64") -> list[made.Built]:
    return [
        made.built(made.layer(images, LOWER), made.layer(images, UPPER), platform=platform, base_layers=1)
    ]


def test_reading() -> None:
    assert parse("out") == Output(kind="local", destination="out")
    assert parse("-") == Output(kind="tar", destination="-")
    assert parse("type=oci,dest=a.tar") == Output(kind="oci", destination="a.tar")
    assert parse("type=oci") == Output(kind="oci", destination="-")
    assert parse("type=docker") == Output(kind="image")
    assert parse("type=cacheonly") == Output(kind="cacheonly")
    assert parse('type=image,"name=a,b:2"').names == ("a", "b:2")
    assert parse("type=local,dest=o,mode=delete,platform-split=false") == Output(
        kind="local", destination="o", deletes_others=True, splits_platforms=False
    )
    found = parse(
        "type=image,compression=zstd,compression-level=3,force-compression=true,oci-mediatypes=false"
    )
    assert found.export.form.compression == "zstd"
    assert (found.export.form.level, found.export.form.forces, found.export.oci_types) == (3, True, False)
    annotations = parse(
        "type=oci,dest=x,annotation-index[linux/arm64].Key=v,annotation.k=w"
    ).export.annotations
    assert [(each.place, each.key, each.value) for each in annotations] == [
        ("index", "Key", "v"),
        ("manifest", "k", "w"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=loacl,dest=x", "did you mean local?"),
        ("type=local", "dest=DIRECTORY"),
        ("type=local,dest=-", "type=tar"),
        ("type=oci,desst=x", "did you mean dest?"),
        ("type=oci,tar=false", "tar=false needs"),
        ("type=image,dest=x", "goes to no file"),
        ("type=oci,dest", "no KEY=VALUE"),
        ("type=local,dest=x,mode=move", "copy or delete"),
        ("type=image,compression=lzma", "lzma"),
        ("type=image,compression-level=much", "no number"),
        ("type=image,annotation-idex.a=b", "did you mean index?"),
        ("", "says nothing"),
        ('type=image,"name=a', "close the quotes"),
    ],
)
def test_a_wrong_output_is_refused(text: str, words: str) -> None:
    with pytest.raises(errors.InvalidInput, match=words.replace("?", r"\?")):
        parse(text)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(errors.Unsupported):
        parse("type=image,compression=estargz")


@pytest.mark.parametrize(
    ("text", "pushes", "by_digest", "tls_verify"),
    [
        ("type=registry,name=a", True, False, None),
        ("type=image,name=a,push=true,registry.insecure=true", True, False, False),
        ("type=image,name=a,push-by-digest=true", True, True, None),
        ("type=image,name=a,push=false", False, False, None),
    ],
)
def test_what_is_pushed(text: str, pushes: bool, by_digest: bool, tls_verify: bool | None) -> None:
    output = parse(text)
    assert output.kind == "image"
    assert (output.pushes, output.pushes_by_digest, output.tls_verify) == (pushes, by_digest, tls_verify)


def test_a_directory(images: Images, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        write(parse(str(tmp_path / "new" / "out")), image(images), images)
    finally:
        os.umask(umask)
    out = tmp_path / "new" / "out"
    assert sorted(os.listdir(out)) == ["also", "bin", "new", "sh"]
    assert (out / "bin/tool").read_bytes() == b"#!"
    assert (out / "sh").readlink() == Path("bin/tool")
    found = os.stat(out / "bin/tool")
    assert stat.S_IMODE(found.st_mode) == 0o755  # the set-user-id bit is not for the host
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    assert os.path.samefile(out / "also", out / "bin/tool")


def test_a_directory_keeps_what_is_there(images: Images, tmp_path: Path) -> None:
    (tmp_path / "out/bin").mkdir(parents=True)
    (tmp_path / "out/bin/mine").write_text("mine")
    (tmp_path / "out/new").write_text("old")
    write(parse(str(tmp_path / "out")), image(images), images)
    assert (tmp_path / "out/bin/mine").read_text() == "mine"
    assert (tmp_path / "out/new").read_text() == "y"
    assert sorted(os.listdir(tmp_path / "out")) == ["also", "bin", "new", "sh"]


def test_a_directory_for_the_output_alone(images: Images, tmp_path: Path) -> None:
    (tmp_path / "out/bin/more").mkdir(parents=True)
    (tmp_path / "out/sh").mkdir()
    (tmp_path / "out/old").write_text("old")
    write(parse(f"type=local,dest={tmp_path}/out,mode=delete"), image(images), images)
    assert sorted(os.listdir(tmp_path / "out")) == ["also", "bin", "new", "sh"]
    assert os.listdir(tmp_path / "out/bin") == ["tool"]


def test_the_directory_at_home_is_not_emptied(images: Images) -> None:
    with pytest.raises(errors.InvalidInput, match="is not emptied"):
        write(parse(f"type=local,dest={Path.cwd()},mode=delete"), image(images), images)


def test_a_link_in_the_directory_leads_nowhere(images: Images, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.Conflict, match="bin is there"):
        write(parse(str(tmp_path / "out")), image(images), images)
    assert os.listdir(tmp_path / "elsewhere") == []
    assert os.listdir(tmp_path / "out") == ["bin"]


@pytest.mark.parametrize("text", ["{}", "type=tar,dest={}", "type=oci,dest={}", "type=oci,tar=false,dest={}"])
def test_after_an_error_nothing_is_there(images: Images, tmp_path: Path, text: str) -> None:
    built = image(images)
    with open(images.blobs.path(built[0].layers[1].descriptor.digest), "r+b") as blob:
        blob.seek(-3, os.SEEK_END)
        blob.write(b"???")
    (tmp_path / "out").mkdir()
    with pytest.raises(errors.CorruptContent):
        write(parse(text.format(tmp_path / "out/new")), built, images)
    assert os.listdir(tmp_path / "out") == []


def test_a_tar_archive(images: Images, tmp_path: Path) -> None:
    write(parse(f"type=tar,dest={tmp_path}/out.tar"), image(images), images, newest_s=1_000_000_000)
    with tarfile.open(tmp_path / "out.tar") as found:
        assert sorted(found.getnames()) == ["also", "bin", "bin/tool", "new", "null", "sh"]
        assert found.getmember("bin/tool").islnk()
        assert found.getmember("also").mode == 0o4755
        assert found.getmember("also").uid == 1000
        assert found.getmember("new").mtime == 1_000_000_000


@pytest.mark.slow
def test_a_tar_archive_on_standard_output(images: Images) -> None:
    built = image(images)
    script = (
        "import pickle, sys\nfrom containerlab.build.result.outputs import parse\n"
        "from containerlab.build.result.writing import write\n"
        "from containerlab.store.home import Home\nfrom containerlab.store.images import Images\n"
        "write(parse('-'), pickle.load(sys.stdin.buffer), Images(Home.open(sys.argv[1])))"
    )
    words = [sys.executable, "-c", script, str(images.home.root)]
    said = subprocess.run(words, input=pickle.dumps(built), check=True, capture_output=True).stdout
    assert next(iter(tar_read.Reader(io.BytesIO(said).read))).name == b"bin/"


def two(images: Images) -> list[made.Built]:
    return [*image(images), *image(images, "linux/arm/v7")]


def test_platforms_get_folders(images: Images, tmp_path: Path) -> None:
    write(parse(str(tmp_path / "out")), two(images), images)
    assert sorted(os.listdir(tmp_path / "out")) == ["linux_amd64", "linux_arm_v7"]
    write(parse(f"type=tar,dest={tmp_path}/out.tar"), two(images), images)
    with tarfile.open(tmp_path / "out.tar") as found:
        assert found.getmember("linux_amd64/bin/tool").linkname == "linux_amd64/also"
        assert "linux_arm_v7/new" in found.getnames()


def test_a_folder_for_one_platform_when_asked(images: Images, tmp_path: Path) -> None:
    write(parse(f"type=local,dest={tmp_path}/out,platform-split=true"), image(images), images)
    assert os.listdir(tmp_path / "out") == ["linux_amd64"]


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_archive_that_we_read(images: Images, tmp_path: Path, kind: str) -> None:
    descriptor = write(parse(f"type={kind},dest={tmp_path}/out.tar"), image(images), images, ["lab/a:1"])
    assert images.names() == ()  # only the archive was asked for
    with made.store(tmp_path / "other") as other, open(tmp_path / "out.tar", "rb") as file:
        assert archives.load(other, file) == ["lab/a:1"]
        assert other.get("lab/a:1").descriptor == descriptor


@pytest.mark.system("skopeo")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_archive_that_skopeo_reads(images: Images, tmp_path: Path, kind: str) -> None:
    write(parse(f"type={kind},dest={tmp_path}/out.tar"), image(images), images, ["lab/a:1"])
    words = ["skopeo", "copy", f"{kind}-archive:{tmp_path}/out.tar", f"dir:{tmp_path}/copy"]
    subprocess.run(words, check=True, capture_output=True)
    found = json.loads((tmp_path / "copy/manifest.json").read_bytes())
    assert len(found["layers"]) == 2


@pytest.mark.system("skopeo")
@pytest.mark.slow
def test_a_layout_directory_of_several_platforms_that_skopeo_reads(images: Images, tmp_path: Path) -> None:
    write(parse(f"type=oci,tar=false,dest={tmp_path}/layout"), two(images), images, ["lab/a:1"])
    layout = f"oci:{tmp_path}/layout"
    words = ["skopeo", "copy", "--all", layout, f"dir:{tmp_path}/copy"]
    subprocess.run(words, check=True, capture_output=True)
    assert len(json.loads((tmp_path / "copy/manifest.json").read_bytes())["manifests"]) == 2


def test_docker_has_one_platform(images: Images, tmp_path: Path) -> None:
    with pytest.raises(errors.Unsupported, match="one platform only"):
        write(parse(f"type=docker,dest={tmp_path}/x"), two(images), images)


def test_rewriting_times_needs_one(images: Images) -> None:
    with pytest.raises(errors.InvalidInput, match="SOURCE_DATE_EPOCH"):
        write(parse("type=image,rewrite-timestamp=true"), image(images), images)


def test_the_same_build_gives_the_same_archive(images: Images, tmp_path: Path) -> None:
    for text in ("type=oci,dest={}.oci", "type=docker,dest={}.docker", "type=tar,dest={}.tar"):
        write(parse(text.format(tmp_path / "a")), image(images), images, ["x"], newest_s=1)
        with made.store(tmp_path / "other") as other:
            write(parse(text.format(tmp_path / "b")), image(other), other, ["x"], newest_s=1)
        ending = text.rpartition(".")[2]
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_files_about_the_result(images: Images, tmp_path: Path) -> None:
    descriptor = write(parse("type=image"), image(images), images, ["lab/a", "lab/b"])
    assert descriptor is not None
    found = image_id(images, descriptor)
    assert found == images.get("lab/a").id
    write_iid_file(tmp_path / "iid", found)
    assert (tmp_path / "iid").read_text() == found
    warning = LintWarning(rule="StageNameCasing", message="lower", line=3, url="https://x")
    known = Metadata(
        ref="r1",
        descriptor=descriptor,
        image_id=found,
        names=("docker.io/lab/a", "docker.io/lab/b"),
        provenance={"linux/amd64": {"builder": {"id": ""}}},
        warnings=(warning,),
    )
    write_metadata_file(tmp_path / "metadata", known)
    fields = json.loads((tmp_path / "metadata").read_bytes())
    assert fields["containerimage.digest"] == descriptor.digest
    assert fields["containerimage.config.digest"] == found
    assert fields["containerimage.descriptor"]["mediaType"] == documents.OCI_MANIFEST
    assert fields["image.name"] == "docker.io/lab/a,docker.io/lab/b"
    assert fields["buildx.build.provenance"] == {"builder": {"id": ""}}
    assert fields["buildx.build.warnings"][0]["url"] == "https://x"
    assert fields["buildx.build.ref"] == "r1"


def test_the_id_of_several_platforms_is_that_of_the_index(images: Images) -> None:
    descriptor = write(parse("type=image"), two(images), images, ["a"])
    assert descriptor is not None
    assert image_id(images, descriptor) == descriptor.digest
