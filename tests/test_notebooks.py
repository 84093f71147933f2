"""The notebooks run for ordinary users, without Jupyter; `pytest --nbval` compares what they show root."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.kernels import give
from tests.users import REPOSITORY, User

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_as_an_ordinary_user(ordinary_user: User, notebook: Path) -> None:
    copy = Path(shutil.copy(notebook, ordinary_user.home))
    copy.chmod(0o644)
    if "lab.machines." in copy.read_text():
        give(ordinary_user)
    done = ordinary_user.run([ordinary_user.python, "-m", "IPython", "--colors=nocolor", str(copy)])
    left = ordinary_user.conlab("ps", "--all", "--quiet").stdout.split()
    if left:
        ordinary_user.conlab("rm", "--force", *left)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "UsageError" not in done.stderr
    assert left == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_as_executed(notebook: Path) -> None:
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert [
        cell["source"] for cell in cells if any(out["output_type"] == "error" for out in cell["outputs"])
    ] == []
