"""A comparison: its frame, its table, its report, and that it comes back from disk as it was."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from containerlab.errors import CorruptContent, InvalidInput, LabError, NotFound
from containerlab.experiments.claims.six import CLAIMS
from containerlab.experiments.comparison import Comparison
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.verdict_table import Judged
from tests.experiments.judged import HOST, VERDICTS, comparison
from tests.experiments.made_up import rows

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def _small() -> Comparison:
    return Comparison(HOST, rows(rounds=3, claims="recovery"), VERDICTS)


class _Elements(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_frame_has_a_row_for_each_number_and_a_column_for_each_fact() -> None:
    compared = _small()
    assert len(compared.frame) == len(compared.rows)
    assert {"claim", "subject", "metric", "value", "is_noisy", "accelerator", "engine"} <= set(compared.frame)
    assert "facts" not in compared.frame
    assert set(compared.frame.query("kind == 'vm'").accelerator) == {"tcg"}


def test_frame_of_nothing_has_its_columns() -> None:
    assert {"claim", "value"} <= set(Comparison(HOST, (), ()).frame)


def test_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = comparison().table().to_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "1 start: Containers start in seconds or less" in text
    assert re.search(r"as a whole +60\.5 KiB +131 MiB +2,216× +held", text)
    assert re.search(r"microvm +19 ms +1\.39 s +- +not held here", text)


def test_table_tells_of_each_tier_when_all_is_wanted() -> None:
    table = comparison().table()
    assert "even emulated" not in table.to_text()
    assert "even emulated" in table.to_text(full=True)
    assert "Source: A paper, 2020" in table.to_text(full=True)


def test_table_quotes_others_where_emulation_forbids_a_verdict() -> None:
    text = comparison().table().to_text()
    assert re.search(r"microvm +- +2\.1 G/s +emulated +not measured", text)
    assert "emulated, not comparable. Elsewhere: half. Source: Another paper, 2015" in " ".join(text.split())


def test_table_takes_no_second_container_for_a_machine() -> None:
    two = (Figure("crun", "ready_s", 0.03, 0.02, 0.04, 5), Figure("podman", "ready_s", 0.4, 0.3, 0.5, 5))
    judged = Judged("1 start: …", Verdict("start", "", "held in part", two, None, "no machine was measured"))
    assert (judged.container, judged.machine) == (two[0], None)


def test_table_says_once_why_tiers_were_not_measured() -> None:
    tiers = [
        Verdict(
            "recovery",
            tier,
            "not measured",
            (),
            None,
            f"machines of the tier {tier}: every round was noisy: others",
        )
        for tier in ("", "resume", "microvm")
    ]
    told = " ".join(Comparison(HOST, (), tiers).table().to_text().split())
    assert told.endswith("resume, microvm: every round was noisy: others")


def test_table_is_plain_values_for_programs() -> None:
    records = json.loads(comparison().table().to_json())
    assert [record["verdict"] for record in records] == [verdict.word for verdict in VERDICTS]
    assert records[0]["container"]["median"] == 0.019
    assert records[0]["ratio"] is None


def test_notebook_gets_the_table_and_text_for_elsewhere() -> None:
    bundle = comparison()._repr_mimebundle_()
    assert "<table" in bundle["text/html"]
    assert bundle["text/plain"] == repr(comparison())


def test_wrong_claim_names_the_nearest() -> None:
    with pytest.raises(InvalidInput) as raised:
        _small().plot("recovry")
    assert raised.value.hint == "did you mean recovery?"


def test_saved_comparison_is_read_again(tmp_path: Path) -> None:
    compared = _small()
    assert compared.save(tmp_path / "run") == tmp_path / "run"
    again = Comparison.load(tmp_path / "run")
    assert (again.host, list(again.rows)) == (compared.host, list(compared.rows))
    assert {verdict.claim for verdict in again.verdicts} == {"recovery"}


def test_there_is_nothing_to_be_read() -> None:
    with pytest.raises(NotFound, match="no comparison in /nowhere"):
        Comparison.load("/nowhere")


def test_package_comes_with_a_measured_run_of_all_claims() -> None:
    recorded = Comparison.recorded()
    assert {verdict.claim for verdict in recorded.verdicts} == set(CLAIMS)
    assert recorded.host.date in recorded.machine


@pytest.mark.parametrize("content", [b"no json", b'{"claim": 1}\n', b'{"claim": "start"}\n'])
def test_what_is_no_comparison_is_refused(tmp_path: Path, content: bytes) -> None:
    _small().save(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(CorruptContent, match="not what `save` wrote"):
        Comparison.load(tmp_path)


def test_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="write: "):
        _small().save(tmp_path / "file" / "below")


def test_document_has_host_verdicts_and_rows() -> None:
    document = json.loads(_small().to_json())
    assert document["host"]["kernel"] == HOST.kernel
    assert len(document["rows"]) == len(_small().rows)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return comparison().report(tmp_path_factory.mktemp("report") / "report.html").read_text()


@pytest.mark.slow
def test_report_fetches_nothing(report: str) -> None:
    parsed = _Elements(report)
    assert not {"script", "link", "img", "iframe"} & set(parsed.names)
    outside = [
        value for name, value in parsed.attributes if name in ("src", "href") or name.endswith(":href")
    ]
    assert [value for value in outside if not value.startswith(("#", "data:"))] == []


@pytest.mark.slow
def test_report_says_below_its_title_what_machine_it_was(report: str) -> None:
    assert f'<p class="machine">{html.escape(comparison().machine)}</p>' in report


@pytest.mark.slow
def test_report_has_pictures_that_say_the_same_in_words(report: str) -> None:
    labels = [value for name, value in _Elements(report).attributes if name == "aria-label"]
    assert len(labels) == 7
    assert labels[1].startswith("start, medians of ready: bare process")


@pytest.mark.slow
def test_report_takes_its_colours_from_the_readers_theme(report: str) -> None:
    defined = set(re.findall(r"(--\w+):", report))
    assert set(re.findall(r"var\((--\w+)", report)) <= defined
    assert "prefers-color-scheme: dark" in report


@pytest.mark.slow
def test_pictures_of_a_report_do_not_clip_each_other(report: str) -> None:
    ids = [value for name, value in _Elements(report).attributes if name == "id"]
    assert [clip for clip in set(re.findall(r"url\(#([^)]+)\)", report)) if ids.count(clip) != 1] == []


@pytest.mark.slow
def test_raw_data_of_a_report_is_a_comparison(report: str, tmp_path: Path) -> None:
    links = re.findall(r'download="([^"]+)" href="data:application/gzip;base64,([^"]+)"', report)
    assert [name for name, _ in links] == ["rows.jsonl.gz", "host.json.gz"]
    for name, content in links:
        (tmp_path / name).write_bytes(base64.b64decode(content))
    assert list(Comparison.load(tmp_path).rows) == list(comparison().rows)


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json.gz").write_bytes(gzip.compress(b"{}")[:-6])
    with pytest.raises(CorruptContent):
        Comparison.load(tmp_path)


@pytest.mark.slow
def test_what_others_wrote_stays_text(tmp_path: Path) -> None:
    hostile = [msgspec.structs.replace(row, subject=HOSTILE) for row in rows(rounds=2, claims="recovery")]
    verdict = Verdict("recovery", "microvm", "held", (), None, HOSTILE, HOSTILE)
    compared = Comparison(msgspec.structs.replace(HOST, processor=HOSTILE), hostile, [verdict])
    document = compared.report(tmp_path / "report.html").read_text()
    assert not {"script", "img"} & set(_Elements(document).names)
    assert not {"script", "img"} & set(_Elements(compared.to_html()).names)
