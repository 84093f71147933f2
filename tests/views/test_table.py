"""Tables: text for terminals, HTML for notebooks, frames for computing."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from containerlab.errors import Unsupported
from containerlab.views.table import Column, Table


class Thing(NamedTuple):
    id: str
    name: str
    size_bytes: int | None


COLUMNS = (
    Column("id", "ID", lambda row: row.id, "id"),
    Column("name", "NAME", lambda row: row.name, "name"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size"),
)
THINGS = Table([Thing("a" * 64, "web", 64 << 20), Thing("b" * 64, "db", None)], COLUMNS)


def test_text_is_aligned_and_narrow() -> None:
    assert THINGS.to_text().splitlines() == [
        "ID            NAME    SIZE",
        "aaaaaaaaaaaa  web   64 MiB",
        "bbbbbbbbbbbb  db         -",
    ]


def test_rows_are_the_objects_themselves() -> None:
    assert THINGS[0] is THINGS["web"] is THINGS["aaaa"] is next(iter(THINGS))
    assert [thing.name for thing in THINGS[1:]] == ["db"]
    with pytest.raises(KeyError):
        THINGS["nothing"]


def test_frame_has_units_in_its_names() -> None:
    frame = THINGS.to_frame()
    assert list(frame.columns) == ["id", "name", "size_bytes"]
    assert frame["size_bytes"][0] == 64 << 20


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>'])
def test_html_escapes_what_containers_say(hostile: str) -> None:
    shown = Table([Thing("a", hostile, 1)], COLUMNS, title=hostile).to_html()
    assert hostile not in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_an_image_without_a_name_is_told_by_its_short_id() -> None:
    table = Table([f"sha256:{'ab' * 32}", "lab/base"], [Column("image", "IMAGE", str, "name")])
    assert [row["image"] for row in table.to_records()] == [*table]
    assert table.to_text().split() == ["IMAGE", "abababababab", "lab/base"]


def test_text_keeps_control_sequences_out_of_the_terminal() -> None:
    shown = Table([Thing("a", "\x1b[31mred\nnext\u202e", 1)], COLUMNS).to_text()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 2


def test_empty_table_shows_its_headings() -> None:
    assert Table([], COLUMNS).to_text() == "ID  NAME  SIZE"
    assert list(Table([], COLUMNS).to_frame().columns) == ["id", "name", "size_bytes"]


def test_notebook_gets_both_forms() -> None:
    assert set(THINGS._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_html_says_which_cells_are_headings() -> None:
    shown = THINGS.to_html()
    assert shown.count('scope="col"') == 3
    assert shown.count('scope="row"') == 2


def test_html_groups_rows_and_says_when_there_are_none() -> None:
    columns = (Column("kind", "KIND", lambda row: row.name[0], "group"), *COLUMNS)
    shown = Table([Thing("a", "web", 1), Thing("b", "worker", 2), Thing("c", "db", 3)], columns).to_html()
    assert shown.count('scope="rowgroup" colspan="3"') == 2
    assert "<i>none</i>" in Table([], columns).to_html()
    assert "<i>none</i>" not in shown


def test_long_paths_may_break_and_ids_may_not() -> None:
    columns = (Column("id", "ID", lambda row: row.id, "id"), Column("p", "P", lambda row: row.name, "path"))
    shown = Table([Thing("a.b/c", "/sys/fs/cgroup/memory short/word", 1)], columns).to_html()
    assert "/<wbr>sys/<wbr>fs/<wbr>cgroup/<wbr>memory short/word" in shown
    assert "a.b/c" in shown


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Unsupported, match="a frame needs pandas, which is not installed") as caught:
        THINGS.to_frame()
    assert caught.value.hint == "pip install 'containerlab[notebook]'"


def test_remarks_stand_under_their_row_and_only_where_there_are_any() -> None:
    columns = (*COLUMNS[1:2], Column("remark", "WITHOUT IT", lambda row: row.id, "remark"))
    table = Table([Thing("", "web", 1), Thing("slow", "db", 1)], columns)
    assert table.to_html().count("without it: slow") == table.to_html().count("without it") == 1
    assert table.to_text().splitlines() == [
        "NAME",
        "web",
        "db",
        "  without it: slow",
    ]
