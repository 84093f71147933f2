"""What somebody sees and does who opens a registry's page in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests import registries
from tests.browser.sight import faint_texts, is_wider_than_its_window
from tests.distribution.server.page import samples
from tests.image_layouts import Layout

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

pytestmark = [
    *(pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)),
    *(pytest.mark.system("skopeo"), pytest.mark.system("busybox-static")),
]
PATIENCE_MS = 30_000
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
PAGES = (
    *("/ui/", "/ui/?text=nothing-like-that", "/ui/organizations", "/ui/organizations/lab", "/ui/audit"),
    *("/ui/storage?organization=lab", "/ui/connections", "/ui/users", "/ui/me", "/ui/upload", "/ui/nowhere"),
    *(
        "/ui/repositories/lab/shop",
        "/ui/repositories/lab/shop/-/tags/1.6",
        "/ui/repositories/lab/shop/-/settings",
    ),
    "/ui/repositories/lab/shop/-/tags/1.6?platform=linux/arm64",
    "/ui/repositories/lab/shop/-/compare?old=1.4&new=1.5",
    *("/ui/repositories/lab/shop/-/retention", "/ui/repositories/lab/shop/-/delete?reference=1.5"),
    *("/ui/repositories/lab/shop/-/delete", "/ui/repositories/lab/shop?text=nothing"),
)
Enter = Callable[..., "Page"]


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.ours(base / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def images(base: Path, registry: registries.Registry) -> dict[str, str]:
    """Push the samples; return how skopeo calls their sources."""
    found = samples.layouts(base / "layouts")
    for name, source in found.items():
        copy(registry, source, name)
    return found


def copy(registry: registries.Registry, source: str, name: str) -> None:
    """Push with skopeo."""
    login = f"--dest-creds={registry.user}:{registry.password}"
    words = ["skopeo", "copy", "--quiet", "--all", "--dest-tls-verify=false", login, source]
    subprocess.run([*words, f"docker://{registry.host}/{name}"], check=True, timeout=60)


@pytest.fixture
def enter(browser: Browser, registry: registries.Registry) -> Iterator[Enter]:
    """Open the page in a fresh browser, signed in unless told otherwise; nothing may be blocked or leave."""
    contexts, complaints = [], []

    def open_(path: str = "/ui/", *, is_signed_in: bool = True, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "base_url": registry.url, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.extend(_complaint(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend(_outside(request, registry)))
        if is_signed_in:
            sign_in(page, registry, path)
        else:
            page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def _complaint(message: ConsoleMessage) -> list[str]:
    """Return what a browser warns of: blocked by the policy, broken scripts; answers with 4xx are meant."""
    is_meant = "Failed to load resource" in message.text
    return [message.text] if message.type in ("error", "warning") and not is_meant else []


def _outside(request: Request, registry: registries.Registry) -> list[str]:
    url = urlsplit(request.url)
    return [] if url.scheme in ("data", "blob") or url.netloc == registry.host else [request.url]


def sign_in(page: Page, registry: registries.Registry, path: str = "/ui/") -> None:
    page.goto(f"/ui/login?next={path.replace('?', '%3F').replace('&', '%26')}")
    page.get_by_label("Name").fill(registry.user)
    page.get_by_label("Password").fill(registry.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def test_a_tag_appears_by_itself_while_somebody_looks(
    enter: Enter, registry: registries.Registry, images: dict[str, str]
) -> None:
    page = enter("/ui/repositories/lab/base")
    assert page.get_by_role("link", name="live", exact=True).count() == 0
    page.get_by_role("link", name="13", exact=True).focus()
    copy(registry, images["lab/base:12"], "lab/base:live")
    page.get_by_role("link", name="live", exact=True).wait_for()
    assert page.locator("tr.fresh").count() == 1
    assert page.locator("#said").text_content() == "Tag live was pushed"
    assert page.evaluate("document.activeElement.textContent") == "13"


def test_a_repository_appears_by_itself(
    enter: Enter, registry: registries.Registry, images: dict[str, str]
) -> None:
    page = enter("/ui/")
    copy(registry, images["lab/base:12"], "lab/newcomer:1")
    page.get_by_role("link", name="lab/newcomer").wait_for()


def test_a_wrong_password_is_said_on_the_page(enter: Enter) -> None:
    page = enter("/ui/login", is_signed_in=False)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("status").filter(has_text="not right").wait_for()
    assert page.get_by_label("Name").input_value() == "admin"


def test_pull_commands_are_copied(
    enter: Enter, registry: registries.Registry, images: dict[str, str]
) -> None:
    page = enter("/ui/repositories/lab/shop/-/tags/1.5", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("podman", exact=True).click()
    page.get_by_role("button", name=re.compile(r"^Copy: podman pull .*:1\.5$")).click()
    page.get_by_role("button", name=re.compile("^Copy: podman")).filter(has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"podman pull {registry.host}/lab/shop:1.5"
    page.get_by_role("button", name=re.compile("^Copy: podman pull .*@sha256:")).click()
    assert page.locator(".docker .command").first.is_hidden()


@pytest.fixture(scope="module")
def archive(base: Path) -> Path:
    """Write an archive that goes up in several pieces."""
    folder = base / "archive"
    layout = Layout(folder)
    source = layout.tag("big", layout.image(layers=3, size=4 << 20))
    target = base / "big.tar"
    subprocess.run(["skopeo", "copy", "--quiet", source, f"docker-archive:{target}:ignored:3"], check=True)
    shutil.rmtree(folder)
    return target


def test_an_archive_is_uploaded_in_pieces_over_a_connection_that_breaks(enter: Enter, archive: Path) -> None:
    page = enter("/ui/upload?repository=lab/uploaded")
    pieces: list[str] = []

    def sometimes(route: Route) -> None:
        pieces.append(route.request.headers["upload-offset"])
        if len(pieces) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/content", sometimes)
    page.get_by_label("Tag").fill("7")
    page.get_by_label("Choose an archive").set_input_files(archive)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/ui/repositories/lab/uploaded")
    page.get_by_role("link", name="7", exact=True).wait_for()
    assert pieces[0] == "0"
    assert pieces[1] == pieces[2] != "0"
    assert len(pieces) == -(-archive.stat().st_size // (4 << 20)) + 1


def test_an_upload_goes_on_where_it_was_paused(enter: Enter, archive: Path) -> None:
    page = enter("/ui/upload?repository=lab/paused")
    page.route(
        "**/content", lambda route: (page.get_by_role("button", name="Pause").click(), route.continue_())
    )
    page.get_by_label("Choose an archive").set_input_files(archive)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("Paused. Press Upload to go on.").wait_for()
    page.unroute("**/content")
    page.goto("/ui/upload?repository=lab/paused")
    assert "4 MiB of" in page.get_by_role("row", name="lab/paused").inner_text()
    offsets: list[str] = []
    page.on("request", lambda request: offsets.append(request.headers.get("upload-offset", "")))
    page.get_by_label("Choose an archive").set_input_files(archive)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/ui/repositories/lab/paused")
    assert "0" not in offsets
    assert str(4 << 20) in offsets


def test_what_is_no_archive_is_refused_in_a_sentence(enter: Enter, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an archive")
    page = enter("/ui/upload?repository=lab/notes")
    page.get_by_label("Choose an archive").set_input_files(tmp_path / "notes.txt")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("alert").filter(has_text=re.compile(r"\w")).wait_for()
    page.get_by_label("Repository").fill("../NOT a name")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("alert").filter(has_text="repository").wait_for()


def test_deleting_says_what_goes_and_asks(
    enter: Enter, registry: registries.Registry, images: dict[str, str]
) -> None:
    copy(registry, images["lab/base:12"], "lab/doomed:1")
    page = enter("/ui/repositories/lab/doomed/-/tags/1")
    page.get_by_role("link", name="Delete tag…").click()
    assert "The image stays" in page.locator("main").inner_text()
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete image…").click()
    assert "with it the tag 1" in page.locator("main").inner_text()
    page.get_by_role("button", name="Delete image").click()
    page.get_by_text("is deleted.").wait_for()
    page.get_by_role("heading", name="No tags yet").wait_for()
    page.goto("/ui/repositories/lab/doomed/-/delete")
    page.get_by_label("To be sure").fill("lab/doomed")
    page.get_by_role("button", name="Delete repository").click()
    page.get_by_text("lab/doomed is deleted.").wait_for()
    assert page.get_by_role("link", name="lab/doomed").count() == 0


def test_a_dry_run_of_retention_shows_what_would_go_and_changes_nothing(
    enter: Enter, images: dict[str, str]
) -> None:
    page = enter("/ui/repositories/lab/shop/-/retention")
    page.get_by_label("Tags").fill("1.*")
    page.get_by_label("Go after days").fill("")
    page.get_by_label("but keep last").fill("2")
    page.get_by_role("button", name="Dry run").click()
    table = page.get_by_role("table", name="What would go")
    table.wait_for()
    assert {f"1.{n}" for n in range(1, 5)} == set(table.locator("a.tag").all_inner_texts())
    assert page.get_by_label("but keep last").input_value() == "2"
    page.get_by_role("button", name="Save rule").click()
    page.get_by_text("The rule is kept.").wait_for()
    assert "all but the last 2 go" in page.get_by_role("table").inner_text()
    page.get_by_role("button", name="Take rule").click()
    page.get_by_text("The rule is gone").wait_for()
    page.goto("/ui/repositories/lab/shop")
    assert page.get_by_role("link", name="1.1", exact=True).count() == 1


def test_the_keyboard_is_enough(enter: Enter, registry: registries.Registry, images: dict[str, str]) -> None:
    page = enter("/ui/login?next=/ui/repositories/lab/shop", is_signed_in=False)
    page.get_by_label("Name").fill("")
    page.keyboard.type(registry.user)
    page.keyboard.press("Tab")
    page.keyboard.type(registry.password)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="lab/shop").wait_for()
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to content"
    assert page.get_by_text("Skip to content").bounding_box()["y"] >= 0  # type: ignore[index]  # it is there
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = _walk(page, until="Settings")
    assert "Upload" in seen
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    seen = _walk(page, until="Delete this repository…")
    assert {"Save", "Make immutable", "Give right", "Add webhook", "Share"} <= set(seen)


def _walk(page: Page, until: str) -> list[str]:
    """Press Tab until something has the focus; each stop on the way must be seen to have it."""
    seen: list[str] = []
    while until not in seen:
        page.keyboard.press("Tab")
        seen.append(_focused(page))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", seen
        assert len(seen) < 100, seen
    return seen


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_every_page_has_its_landmarks_names_and_heads(enter: Enter, images: dict[str, str]) -> None:
    page = enter()
    for path in PAGES:
        page.goto(path)
        assert page.get_by_role("main").count() == 1, path
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert page.get_by_role("navigation", name="Main").count() == 1, path
        assert page.evaluate(_NAMELESS) == [], path
        assert page.evaluate("[...document.querySelectorAll('table')].every(t => t.caption)"), path
        assert page.evaluate(_DOUBLE) == [], path


_NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden], [hidden]), select, button')]
  .filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
  .map(e => e.outerHTML)"""
_DOUBLE = """() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  return ids.filter((id, at) => ids.indexOf(id) !== at); }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_can_be_read(
    enter: Enter, images: dict[str, str], scheme: str, viewport: dict[str, int]
) -> None:
    page = enter(color_scheme=scheme, viewport=viewport)
    for path in PAGES:
        page.goto(path)
        assert faint_texts(page, "body") == [], path
        assert not is_wider_than_its_window(page), path


def test_without_scripts_all_but_uploads_works(
    enter: Enter, registry: registries.Registry, images: dict[str, str]
) -> None:
    page = enter("/ui/repositories/lab/shop", java_script_enabled=False)
    page.get_by_role("link", name="1.5", exact=True).click()
    page.get_by_role("heading", name="Layers").wait_for()
    page.locator("a[href*='/layers/']").last.click()
    page.get_by_text("srv/shop/app.py").wait_for()
    page.goto("/ui/repositories/lab/shop/-/settings")
    page.get_by_label("Description", exact=True).fill("A shop")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.goto("/ui/upload")
    page.get_by_text("Uploading needs JavaScript.").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("banner").get_by_role("link", name="Sign in").wait_for()


def test_over_tls_the_cookie_belongs_to_this_host_alone(browser: Browser, base: Path) -> None:
    with registries.ours(base / "tls-registry", tls=True) as registry:
        context = browser.new_context(base_url=registry.url, ignore_https_errors=True)
        page = context.new_page()
        sign_in(page, registry)
        (cookie,) = context.cookies()
        context.close()
    assert cookie["name"].startswith("__Host-conlab")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
