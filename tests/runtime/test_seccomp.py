"""A container's filter: the document in config.json, and the program that is kept for it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from containerlab.errors import Unsupported
from containerlab.linux.capabilities import ALL, DOCKER_DEFAULT
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.document import to_mapping
from containerlab.linux.seccomp.profile import Seccomp as Profile
from containerlab.linux.seccomp.profile import default
from containerlab.oci.runtime import Seccomp
from containerlab.runtime import seccomp

KERNEL = (6, 1)


def _profile(capabilities: frozenset[str]) -> Profile:
    return default(capabilities, KERNEL, os.uname().machine)


@pytest.mark.parametrize("capabilities", [frozenset(), DOCKER_DEFAULT, frozenset(ALL)], ids=len)
def test_the_default_is_described_as_the_specification_asks(capabilities: frozenset[str]) -> None:
    described = msgspec.convert(to_mapping(_profile(capabilities)), Seccomp)
    assert seccomp.choose("", capabilities, KERNEL) == described


@pytest.mark.parametrize("asked", ["compiled now", "from the file"])
def test_the_program_is_that_of_the_profile(tmp_path: Path, asked: str) -> None:
    tmp_path.chmod(0o700)
    document = seccomp.choose("", DOCKER_DEFAULT, KERNEL)
    for _ in range(1 if asked == "compiled now" else 2):
        seccomp.filters.cache_clear()
        ((program, flags),) = seccomp.filters(document, tmp_path, hides_ownership=False)
    assert (program, flags) == (compile_filter(_profile(DOCKER_DEFAULT)), 0)
    assert len(list(tmp_path.iterdir())) == 1


def test_documents_that_differ_have_programs_of_their_own(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    strict, loose = Seccomp(default_action="SCMP_ACT_ERRNO"), Seccomp(default_action="SCMP_ACT_ALLOW")
    programs = {seccomp.filters(each, tmp_path, hides_ownership=False) for each in (strict, loose)}
    assert len(programs) == len(list(tmp_path.iterdir())) == 2


def test_a_document_that_is_refused_is_refused_each_time(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    document = Seccomp(default_action="SCMP_ACT_ALLOW", listener_path="/run/listener")
    for _ in range(2):
        with pytest.raises(Unsupported, match="listenerPath"):
            seccomp.filters(document, tmp_path, hides_ownership=False)
