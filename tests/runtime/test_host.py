"""What a host allows is found by trying: the same trial under hosts that allow less and less."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_LOOK = """
import json, sys
from containerlab.linux import idmap
from containerlab.runtime import host
chosen = idmap.choose()
print(json.dumps({"map": chosen.kind, "refused": host._try(chosen)}))
"""
_WITHOUT_SYS_ADMIN = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
_FILTERED = """
import os
from containerlab.linux import syscalls
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.profile import default
syscalls.prctl(38, 1)
syscalls.seccomp(compile_filter(default(frozenset(), (6, 1), os.uname().machine)))
"""


def _look(*before: str, program: str = _LOOK) -> dict:
    done = subprocess.run(
        [*before, sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.root
def test_root_has_everything():
    assert _look() == {"map": "none", "refused": {}}


@pytest.mark.root
def test_root_without_sys_admin_gets_a_user_namespace_with_all_its_ids():
    assert _look(*_WITHOUT_SYS_ADMIN) == {"map": "own", "refused": {}}


@pytest.mark.root
def test_a_masked_proc_is_noticed():
    hide = 'mount --bind /dev/null /proc/version && exec "$@"'
    found = _look("unshare", "--mount", "sh", "-c", hide, "sh", *_WITHOUT_SYS_ADMIN)
    assert set(found["refused"]) == {"proc"}


def test_refused_namespaces_are_noticed_with_the_kernels_words():
    found = _look(program=_FILTERED + _LOOK)
    assert "Operation not permitted" in found["refused"]["namespaces"]


@pytest.mark.root
def test_the_trial_leaves_no_directory(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from containerlab.runtime.trial import main; main()"]
    subprocess.run(words, env={**os.environ, "TMPDIR": str(tmp_path)}, check=True, stdout=subprocess.DEVNULL)
    assert list(tmp_path.iterdir()) == []
