"""The demo's page: complete in itself, safe against what containers print, readable in both themes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from containerlab.demo.page import page
from containerlab.demo.scenes import Scene
from containerlab.experiments.pictures.gallery import picture_of_claim
from containerlab.metrics.sample import Sample
from containerlab.metrics.series import Series
from tests.experiments.made_up import rows

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def _scene(**changes: object) -> Scene:
    samples = [
        Sample(time=i, clock_s=i, memory_bytes=i << 20, memory_limit_bytes=8 << 20, oom_kills=i // 9)
        for i in range(10)
    ]
    plain = Scene("Title", "Story", "64 MiB", "most", "short", series=Series(samples), resource="memory")
    return plain._replace(**changes)


class _Names(HTMLParser):
    """Collects elements and their attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_page_fetches_nothing() -> None:
    parsed = _Names(page({"kernel": "Linux"}, [], [_scene()]))
    assert not {"script", "link", "img", "iframe"} & set(parsed.elements)
    outside = [
        value for name, value in parsed.attributes if name in ("src", "href") or name.endswith(":href")
    ]
    assert [value for value in outside if not value.startswith("#")] == []


@pytest.mark.parametrize("field", ["title", "story", "number", "unit", "command", "output"])
def test_what_containers_print_stays_text(field: str) -> None:
    changes = {field: HOSTILE} | ({"command": "x"} if field == "output" else {})
    document = page({"kernel": HOSTILE}, [HOSTILE], [_scene(**changes, notices=(HOSTILE,))])
    assert document.count("&lt;script&gt;") == 4
    assert not {"script", "img"} & set(_Names(document).elements)


def test_picture_says_in_words_what_it_shows() -> None:
    labels = [value for name, value in _Names(page({}, [], [_scene()])).attributes if name == "aria-label"]
    assert labels == ["Memory over 9.0 s: peak 9 MiB of 8 MiB; 1 killed (OOM)."]


def test_picture_takes_its_colours_from_the_page() -> None:
    document = page({}, [], [_scene()])
    svg = document[document.index("<svg") : document.index("</svg>")]
    assert "var(--blue)" in svg
    defined = set(re.findall(r"(--\w+):", document))
    assert set(re.findall(r"var\((--\w+)\)", document)) <= defined


def test_pictures_on_one_page_do_not_clip_each_other() -> None:
    document = page({}, [], [_scene(), _scene(resource="pids")])
    ids = [value for name, value in _Names(document).attributes if name == "id"]
    clips = set(re.findall(r"url\(#([^)]+)\)", document))
    assert clips
    assert [clip for clip in clips if ids.count(clip) != 1] == []


def test_what_the_machine_lacks_is_listed() -> None:
    assert "no swap accounting: because" in page({}, ["no swap accounting: because"], [_scene()])
    assert "allows everything" in page({}, [], [_scene()])


def test_picture_that_is_drawn_already_belongs_to_the_page() -> None:
    drawn = picture_of_claim("recovery", rows(rounds=3, claims="recovery"), "a machine")
    document = page({}, [], [_scene(series=None, picture=drawn)])
    assert document.count("<svg") == 1
    assert f'aria-label="{drawn.words}"' in document
