"""What every test stands on: a home of its own, markers that skip by name, users, and a leak check.

With CI=true a test that is skipped because a program is missing fails instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import leaks, system_packages, users
from tests.needs import require_packages

if TYPE_CHECKING:
    from containerlab.vm.kernel.kernel import Kernel

PREFIX, PLACE = "conlab-test-", Path("/var/tmp")

# A deadline for each example would be an assertion about time, which a busy machine fails.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


# Where clients of registries look for settings.
_SETTINGS = (
    *("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"),
    *("CONTAINERS_REGISTRIES_CONF", "CONTAINERLAB_TRUSTED_REALMS"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


def _remove_stale() -> None:
    """Remove what runs of the suite left that were killed; names say which process made them."""
    for left in PLACE.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{pid}").exists() and left.stat().st_uid == os.geteuid():
            shutil.rmtree(left, ignore_errors=True)


_remove_stale()
# Before any test module is imported: what the package reads at import must already see it.
BASE = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=PLACE))
BASE.chmod(0o755)  # ordinary users work below it too
os.environ["CONTAINERLAB_HOME"] = str(BASE / "home")
os.environ[leaks.TOKEN_VARIABLE] = BASE.name
PROGRAMS = system_packages.programs()
# Jobs in the background of a shell ignore Ctrl-C, and so would all programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    for marker in item.iter_markers("system"):
        _need_packages(marker.args)


def _need_packages(packages: tuple[str, ...]) -> None:
    unknown = set(packages) - PROGRAMS.keys()
    if unknown:
        pytest.fail(f"not in system-packages.txt: {', '.join(unknown)}")
    require_packages([package for package in system_packages.missing() if package in packages])


def pytest_sessionfinish() -> None:
    shutil.rmtree(BASE, ignore_errors=True)


@pytest.fixture(scope="session")
def base() -> Path:
    """Return the directory that holds all that this run of the suite makes, on a real file system."""
    return BASE


@pytest.fixture(scope="module", autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    before = leaks.look(BASE)
    yield
    left = leaks.left_over(before, BASE)
    if left:
        pytest.fail(f"{request.node.name} left behind:\n" + "\n".join(left))


@pytest.fixture(scope="session")
def subids_user() -> Iterator[users.User]:
    """Yield an ordinary user with subordinate ids."""
    yield from users.make(BASE, subordinate_ids=True)


@pytest.fixture(scope="session")
def single_id_user() -> Iterator[users.User]:
    """Yield an ordinary user without subordinate ids."""
    yield from users.make(BASE, subordinate_ids=False)


@pytest.fixture(params=["subids", "single"])
def ordinary_user(request: pytest.FixtureRequest) -> users.User:
    """Return one after the other: an ordinary user with subordinate ids, and one without."""
    user: users.User = request.getfixturevalue(f"{request.param.replace('single', 'single_id')}_user")
    return user


@pytest.fixture(params=["root", "subids", "single"])
def anyone(request: pytest.FixtureRequest) -> users.User:
    """Return one after the other: root, an ordinary user with subordinate ids, and one without."""
    if request.param != "root":
        user: users.User = request.getfixturevalue(f"{request.param.replace('single', 'single_id')}_user")
        return user
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return users.myself(BASE)


@pytest.fixture(scope="session")
def guest_kernel() -> Kernel:
    """Return the kernel that guests run by default, downloaded once for this checkout."""
    from tests.kernels import kernel_of

    return kernel_of()


@pytest.fixture(scope="session", params=["6.12", "6.1"])
def each_guest_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Return one after the other: the kernel that guests run by default, and an older one."""
    from tests.kernels import kernel_of

    return kernel_of(request.param)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home directory of somebody who has no settings for registries; the test works as them."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return home
