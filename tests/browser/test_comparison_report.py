"""A comparison's report as a browser shows it: light and dark, wide and narrow, fetching nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.sight import faint_texts, is_wider_than_its_window
from tests.experiments.judged import comparison

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def report(base: Path) -> Path:
    return comparison().report(base / "report.html")


@pytest.fixture(params=[("light", 1280), ("dark", 1280), ("light", 360)], ids=["light", "dark", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    scheme: Literal["light", "dark"]
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    asked: list[str] = []
    context.on("request", lambda each: asked.append(each.url))
    shown = context.new_page()
    shown.goto(report.as_uri())
    yield shown
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_report_is_seen_as_a_whole(page: Page) -> None:
    assert page.locator("figure svg").count() == 7
    assert not is_wider_than_its_window(page)
    assert faint_texts(page, "main") == []


def test_raw_data_can_be_had(page: Page) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="rows.jsonl.gz").click()
    assert waiting.value.suggested_filename == "rows.jsonl.gz"
