"""A comparison as one page that needs nothing else: pictures, verdicts and raw data are in it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from containerlab.experiments.experiment import Verdict
from containerlab.experiments.verdict_table import Judged, VerdictTable, ratio_text
from containerlab.views import html
from containerlab.views.picture import Picture
from containerlab.views.svg import inline_svg

__all__ = ["Chapter", "page"]


class Chapter(NamedTuple):
    """A claim in the report."""

    name: str
    claim: str
    """Number, name and sentence."""
    picture: Picture
    verdicts: Sequence[Verdict]


def page(
    title: str,
    machine: str,
    host: Mapping[str, str],
    overview: Picture,
    chapters: Sequence[Chapter],
    data: Mapping[str, bytes],
) -> str:
    """Write the page. machine: host in a line; data: files to be had from it, by name."""
    template = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.text(title),
        machine=html.text(machine),
        numbers="".join(_number(chapter) for chapter in chapters if chapter.verdicts),
        overview=inline_svg(overview.figure, overview.words, "overview"),
        table=VerdictTable(
            [Judged(each.claim, verdict) for each in chapters for verdict in each.verdicts]
        ).to_html(),
        chapters="".join(_section(chapter) for chapter in chapters),
        host="".join(_fact(name, value) for name, value in host.items() if value),
        data=" · ".join(_download(name, content) for name, content in data.items()),
    )


def _number(chapter: Chapter) -> str:
    whole = chapter.verdicts[0]
    told = ratio_text(whole.ratio) if whole.ratio is not None else whole.word
    meaning = f"{chapter.name}: {whole.word}" if whole.ratio is not None else chapter.name
    return f'<li class="{_class(whole.word)}"><b>{html.text(told)}</b><span>{html.text(meaning)}</span></li>'


def _class(word: str) -> str:
    return word.replace(" ", "-")


def _section(chapter: Chapter) -> str:
    number, _, sentence = chapter.claim.partition(": ")
    parts = [f"<h2><i>{html.text(number.split()[0])}</i> {html.text(sentence or chapter.name)}</h2>"]
    parts += _told(chapter.verdicts)
    parts.append(
        f"<figure>{inline_svg(chapter.picture.figure, chapter.picture.words, chapter.name)}</figure>"
    )
    return f'<section id="{html.text(chapter.name)}">{"".join(parts)}</section>'


def _told(verdicts: Iterable[Verdict]) -> Iterable[str]:
    for verdict in verdicts:
        tier = f"<strong>{html.text(verdict.tier)}</strong> " if verdict.tier else ""
        mark = f'<em class="{_class(verdict.word)}">{html.text(verdict.word)}</em>'
        source = f" <cite>{html.text(verdict.source)}</cite>" if verdict.source else ""
        yield f"<p>{mark} {tier}{html.text(verdict.sentence)}{source}</p>"


def _fact(name: str, value: str) -> str:
    return f"<tr><th scope=row>{html.text(name.replace('_', ' '))}</th><td>{html.text(value)}</td></tr>"


def _download(name: str, content: bytes) -> str:
    """Write a link to a file that is in the page itself."""
    packed = base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")
    shown = html.text(f"{name}.gz")
    return f'<a download="{shown}" href="data:application/gzip;base64,{packed}">{shown}</a>'
