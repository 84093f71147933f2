"""The description of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from containerlab.experiments import host
from tests.users import User


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


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.system("podman")
def test_asking_programs_for_their_versions_leaves_no_files(subids_user: User) -> None:
    """Podman without a runtime directory makes two in /tmp before it tells its version."""
    code = "from containerlab.experiments import host; print(host.describe().programs['podman'])"
    done = subids_user.script(code)
    assert done.stdout[:1].isdigit(), done.stderr
    names = (f"containers-user-{subids_user.uid}", f"podman-run-{subids_user.uid}")
    assert [name for name in names if Path("/tmp", name).exists()] == []
