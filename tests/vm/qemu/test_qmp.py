"""QEMU's protocol, without a QEMU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from containerlab.vm.qemu.qmp import Qmp, QmpFailed


class Wire:
    """What was sent, and what was told."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.descriptors: list[int] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.qmp = Qmp(self._send, lambda name, data: self.events.append((name, data)))

    def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        self.sent.append(json.loads(data))
        self.descriptors += descriptors


def test_it_begins_without_waiting_for_the_greeting() -> None:
    assert Wire().sent == [{"execute": "qmp_capabilities", "id": 1}]


def test_an_answer_goes_to_whoever_asked() -> None:
    wire, answers = Wire(), list[Any]()
    wire.qmp.command("first", answers.append)
    wire.qmp.command("second", answers.append, max_bandwidth=1)
    assert wire.sent[-1]["arguments"] == {"max-bandwidth": 1}
    wire.qmp.feed(b'{"QMP": {}}\r\n{"return": "b", "id": 3}\r\n{"ret')
    wire.qmp.feed(b'urn": "a", "id": 2}\r\n')
    assert answers == ["b", "a"]


def test_a_refusal_is_an_error_with_its_reason() -> None:
    wire, answers = Wire(), list[Any]()
    wire.qmp.command("nonsense", answers.append)
    wire.qmp.feed(b'{"error": {"class": "CommandNotFound", "desc": "no such"}, "id": 2}\n')
    assert isinstance(answers[0], QmpFailed)
    assert answers[0].message == "QEMU refused: no such"


def test_events_are_told() -> None:
    wire = Wire()
    wire.qmp.feed(b'{"event": "STOP"}\n{"event": "MIGRATION", "data": {"status": "completed"}}\n')
    assert wire.events == [("STOP", {}), ("MIGRATION", {"status": "completed"})]


def test_descriptors_go_along() -> None:
    wire = Wire()
    wire.qmp.command("getfd", None, [5], fdname="x")
    assert wire.descriptors == [5]


def test_what_is_no_qmp_is_refused() -> None:
    with pytest.raises(QmpFailed, match="no QMP"):
        Wire().qmp.feed(b"hello\n")
