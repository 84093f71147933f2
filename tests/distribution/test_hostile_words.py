"""What registries and images say is shown, and neither obeyed by a terminal nor read as HTML."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.engine.engine import Engine
from containerlab.views.json_text import json_text
from tests.distribution.hostile_registry import HOSTILE_TAGS, WORDS, answer
from tests.distribution.peers import Peer

COMMANDS = [
    "registry tags -l {}/lab/app",
    "search {}/",
    "registry inspect {}/lab/app:v1",
    "registry inspect {}/lab/app:artifact",
    "registry inspect {}/lab/app:index",
    "registry referrers {}/lab/app:v1",
    "registry delete {}/lab/app:missing",
    "manifest inspect {}/lab/app:index",
    "pull {}/lab/app:artifact",
    "pull {}/lab/app:index",
    "pull --all-tags {}/lab/app",
    "pull {}/lab/app:v1",
    "history {}/lab/app:v1",
    "history --format {{{{.CreatedBy}}}} {}/lab/app:v1",
    "inspect {}/lab/app:v1",
    "verify --key /dev/null {}/lab/app:v1",
]


@pytest.fixture(scope="module")
def registry() -> Iterator[Peer]:
    with Peer(answer) as peer:
        yield peer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "home"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_terminal_obeys_a_registry(registry: Peer, home: Path, command: str) -> None:
    said = _in_a_terminal(command.format(registry.host).split(), home)
    assert said
    assert "Traceback" not in said
    for sign in ("\x1b[31mEVIL", "\x1b]", "\x07", "\u009b", "\u202e"):
        assert sign not in said, repr(said)


def _in_a_terminal(words: list[str], home: Path) -> str:
    """Run a command line with a terminal for its output; return all that the terminal got."""
    terminal, inside = pty.openpty()
    environment = {**os.environ, "CONTAINERLAB_HOME": str(home), "TERM": "xterm"}
    command = [sys.executable, "-m", "containerlab", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside, env=environment
    ) as process:
        os.close(inside)
        got = b""
        try:
            while piece := os.read(terminal, 65536):
                got += piece
        except OSError:  # EIO: the other end was closed
            pass
        finally:
            os.close(terminal)
            process.kill()
    return got.decode("utf-8", "replace")


def test_no_notebook_takes_a_registry_s_words_for_html(registry: Peer, home: Path) -> None:
    where = f"{registry.host}/lab/app"
    with Engine(home) as engine:
        engine.images.pull(f"{where}:v1")
        for shown in (
            engine.registry.tags(where),
            engine.registry.search(f"{registry.host}/"),
            engine.registry.inspect(f"{where}:v1"),
            engine.registry.referrers(f"{where}:v1"),
            engine.images.history(f"{where}:v1"),
            engine.images.inspect(f"{where}:v1"),
        ):
            text = shown._repr_mimebundle_()["text/html"]
            assert "<img" not in text, shown


def test_what_a_registry_lists_beside_tags_is_not_pulled(registry: Peer, home: Path) -> None:
    with Engine(home) as engine, pytest.raises(errors.CorruptContent, match="which is no tag"):
        engine.images.pull(f"{registry.host}/lab/app", all_tags=True)
    with Engine(home) as engine:
        tags = {image.tag for image in engine.images.list(all=True)}
    assert not tags & set(HOSTILE_TAGS[1:])


def test_json_that_is_shown_is_what_it_was() -> None:
    import json

    assert json.loads(json_text({WORDS: ["é日本", "\U000e0001"]})) == {WORDS: ["é日本", "\U000e0001"]}
    assert "é日本" in json_text(["é日本"])
    assert json_text({"a": [1]}, indent=4) == json.dumps({"a": [1]}, indent=4)
