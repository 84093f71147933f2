"""The description of the machine."""

from __future__ import annotations

import os

import msgspec
import pytest

from containerlab.experiments import host


@pytest.mark.slow
def test_this_machine_is_described() -> None:
    found = host.describe("tcg", "noisy: when it is loud")
    facts = found.facts()
    assert os.uname().release in facts["kernel"]
    assert facts["cgroup"] in ("v1", "v2", "hybrid", "none")
    assert facts["accelerator"] == "tcg"
    assert facts["noise"] == "noisy: when it is loud"
    assert all(facts.values())
    assert msgspec.json.decode(msgspec.json.encode(found), type=host.Host) == found
