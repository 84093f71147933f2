"""The registry of others that ours is held against starts, answers and keeps images."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
import urllib3

from tests import registries
from tests.image_layouts import Layout

pytestmark = [pytest.mark.system("docker-registry", "skopeo"), pytest.mark.slow]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
@pytest.mark.parametrize("auth", ["none", "basic"])
def test_it_keeps_images(tmp_path: Path, auth: registries.Auth, tls: bool) -> None:
    layout = Layout(tmp_path / "layout")
    images = {each: layout.image(architecture=each, layers=2) for each in ("amd64", "arm64")}
    source = layout.tag("many", layout.index(images))
    with registries.debian(tmp_path / "registry", auth=auth, tls=tls) as registry:
        context = ssl.create_default_context(cafile=registry.authority) if tls else None
        headers = urllib3.make_headers(basic_auth=":".join(registry.credentials or ("", "")))
        with urllib3.PoolManager(ssl_context=context) as pool:
            assert pool.request("GET", f"{registry.url}/v2/").status == (200 if auth == "none" else 401)
            assert pool.request("GET", f"{registry.url}/v2/", headers=headers).status == 200
        words = ["skopeo", "copy", "--all", "--insecure-policy", "--dest-tls-verify=false"]
        if registry.credentials:
            words.append("--dest-creds=" + ":".join(registry.credentials))
        subprocess.run([*words, source, f"docker://{registry.host}/lab/many:1"], check=True)
