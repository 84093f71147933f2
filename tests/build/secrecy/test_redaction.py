"""Secret arguments are neither in the history nor to be guessed from a cache key."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from containerlab.build.secrecy.redaction import keyed_hash, redact
from containerlab.store.home import Home


def test_values_of_secret_names_are_redacted_wherever_they_are() -> None:
    arguments = {"API_TOKEN": "sesame-1", "PASSWORD": "pw", "VERSION": "1.2"}
    history = "|3 API_TOKEN=sesame-1 PASSWORD=pw VERSION=1.2 /bin/sh -c curl -H sesame-1 spwd PASSWORD=pwd"
    assert redact(history, arguments) == (
        "|3 API_TOKEN=<redacted> PASSWORD=<redacted> VERSION=1.2"
        " /bin/sh -c curl -H <redacted> spwd PASSWORD=pwd"
    )


def test_without_secrets_a_text_stays() -> None:
    assert redact("RUN PASSWORD=", {"PASSWORD": "", "A": "RUN"}) == "RUN PASSWORD="


def test_a_keyed_hash_is_of_its_home_alone(tmp_path: Path) -> None:
    one, two = Home.open(tmp_path / "one"), Home.open(tmp_path / "two")
    assert keyed_hash(one, b"value") == keyed_hash(Home.open(one.root), b"value")
    assert keyed_hash(one, b"value") != keyed_hash(two, b"value")
    assert keyed_hash(one, b"value") != keyed_hash(one, b"other")
    assert keyed_hash(one, b"value") != hashlib.sha256(b"value").hexdigest()
    assert os.stat(one.cache / "secret-key").st_mode & 0o777 == 0o600
    assert not list(one.temporary.iterdir())
