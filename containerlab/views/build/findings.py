"""Warnings of a build, told once at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from containerlab import units
from containerlab.views import html
from containerlab.views.build.display import Finding
from containerlab.views.build.log import clean

__all__ = ["findings_html", "findings_text"]


def findings_text(findings: Sequence[Finding]) -> list[str]:
    """Write each warning with its line of the Dockerfile and where its rule is explained.

    >>> from containerlab.build.record import LintWarning
    >>> for line in findings_text([LintWarning(rule="StageNameCasing", message="lower it", line=1)]):
    ...     print(line)
     1 warning found:
     - StageNameCasing: lower it (line 1)
    """
    return [_title(findings), *(line for finding in findings for line in _lines(finding))] if findings else []


def _title(findings: Sequence[Finding]) -> str:
    return f" {units.format_count(len(findings), 'warning')} found:"


def _lines(finding: Finding) -> Iterator[str]:
    yield f" - {clean(finding.rule)}: {clean(finding.message)}{_place(finding)}"
    if finding.text:
        yield f"   {finding.line} | {clean(finding.text)}"
    if finding.url:
        yield f"   {finding.url}"


def _place(finding: Finding) -> str:
    return f" (line {finding.line})" if finding.line else ""


def findings_html(findings: Sequence[Finding]) -> str:
    """Write the warnings as a list that opens on a click, closed where there are many."""
    if not findings:
        return ""
    items = "".join(f'<li style="margin:4px 0;">{_item(finding)}</li>' for finding in findings)
    listed = f'<ul style="margin:4px 0;padding-left:1.6em;">{items}</ul>'
    opened = html.details(_title(findings).strip(" :"), listed, is_open=len(findings) < 6)
    return f'<div style="font-size:13px;">{opened}</div>'


def _item(finding: Finding) -> str:
    rule = f"<b>{html.text(finding.rule)}</b>"
    if finding.url.startswith("https://"):
        rule = f'<a href="{html.text(finding.url)}" target="_blank" rel="noopener">{rule}</a>'
    line = f"<br><code>{html.text(finding.text)}</code>" if finding.text else ""
    return f"{rule}: {html.text(finding.message)}{_place(finding)}{line}"
