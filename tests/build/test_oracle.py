"""What Dockerfiles become, against what Docker makes of them: see oracle/README.md."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from tests import users
from tests.build.oracle import by_docker, by_ours
from tests.build.oracle.case import FOLDER, Case, all_cases
from tests.dockerd import Docker
from tests.users import User

pytestmark = pytest.mark.slow

CASES = all_cases()
OF_DOCKER = [case for case in CASES if not case.reference]
CORE = {
    *(
        "add-tar-gz",
        "arg-scopes",
        "copy-chown",
        "copy-directory",
        "copy-existing-directory",
        "copy-from-stage",
    ),
    *(
        "copy-globs",
        "copy-link-as-source",
        "copy-links-inside",
        "copy-modes",
        "copy-onto-links",
        "copy-over-kinds",
    ),
    *("entrypoint-clears", "expand-everywhere", "fails-escapes-context", "fails-run-exit-code", "from-full"),
    *(
        "from-onbuild",
        "from-stage",
        "ignore-exception-all",
        "mount-bind",
        "mount-cache",
        "mount-secret",
        "parser-json",
    ),
    *(
        "run-environment",
        "run-links",
        "run-modes",
        "run-removes",
        "run-replaces-kinds",
        "run-user",
        "workdir-owner",
    ),
}
"""What the usual suite asks Docker; `make test-oracle` asks it everything."""
OF_SEVERAL_IDS = {"copy-from-stage", "from-full-run", "mount-cache-owner", "mount-secret-options", "run-user"}
"""Where there is one id only these differ: by the owners of links and pipes, and what a RUN sees of ids."""
DOCUMENT = users.REPOSITORY / "docs/build-differences.md"


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def expect(case: Case, made: list[str] | str) -> None:
    """Compare what ours made with what is right."""
    if case.fails:
        assert isinstance(made, str), made
        assert re.search(case.fails, made), made
        return
    assert not isinstance(made, str), made
    assert made == case.result.read_text().splitlines()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle") / "home"


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    with by_ours.engine_with_bases(home) as engine:
        yield engine


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    with by_docker.docker_with_bases() as docker:
        yield docker


@pytest.mark.root
@pytest.mark.system("busybox-static")
@named(CASES)
def test_ours(case: Case, engine: Engine, home: Path, tmp_path: Path) -> None:
    expect(case, by_ours.build(engine, home, case, tmp_path))


@pytest.mark.system("busybox-static")
@pytest.mark.parametrize(
    "names", [sorted(CORE), pytest.param([], marks=pytest.mark.oracle)], ids=["core", "all"]
)
def test_ours_as_ordinary_user(ordinary_user: User, names: list[str], base: Path, tmp_path: Path) -> None:
    place = base / f"oracle-{tmp_path.name}"  # where the user can read
    shutil.copytree(users.REPOSITORY / "tests/build", place / "tests/build")
    shutil.copy(users.REPOSITORY / "tests/__init__.py", place / "tests")
    words = ["-m", "tests.build.oracle.everything", str(ordinary_user.home / "oracle"), *names]
    environment = {**ordinary_user.environment, "PYTHONPATH": f"{place}:{ordinary_user.pythonpath}"}
    done = ordinary_user.run([ordinary_user.python, *words], env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made.keys() >= set(names) - {case.name for case in CASES if case.needs}
    lost = OF_SEVERAL_IDS if ordinary_user.kind == "single" else set()
    for case in CASES:
        if case.name in made.keys() - lost:
            expect(case, made[case.name])


@pytest.mark.root
@pytest.mark.system("busybox-static", "docker.io")
@named([case if case.name in CORE else pytest.param(case, marks=pytest.mark.oracle) for case in OF_DOCKER])
def test_docker(case: Case, docker: Docker, tmp_path: Path) -> None:
    made = by_docker.build(docker, case, tmp_path)
    if case.docker_result.exists():
        assert made == case.docker_result.read_text().splitlines()
    else:
        assert made == ["It fails."], "only ours refuses it"


def test_differences_are_named() -> None:
    reasons = tomllib.loads((FOLDER / "differences.toml").read_text())
    told = {name for case in CASES for name in case.differs}
    assert told == reasons.keys()
    for case in CASES:
        right = case.result.read_text() if case.result.exists() else ""
        assert not case.differs or case.docker_result.read_text() != right, case.name


def test_differences_are_in_the_documentation() -> None:
    reasons = tomllib.loads((FOLDER / "differences.toml").read_text())
    rows = [f"| {each['docker']} | {each['ours']} | {each['why']} |" for each in reasons.values()]
    text = DOCUMENT.read_text()
    assert [line for line in text.splitlines() if line.startswith("| ") and line in rows] == rows
