"""Mirrors over HTTP: what is answered wrongly, cut off, or not to be trusted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from containerlab import errors
from containerlab.vm.kernel import debian
from containerlab.vm.kernel.mirror import DEFAULT, VARIABLE, Mirror
from tests.http_server import serving

pytestmark = pytest.mark.timeout(120)


class Answers(BaseHTTPRequestHandler):
    """Answers whatever it is asked as a test wants: status, headers, body."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, headers, body = self.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    Answers.answers, Answers.asked = {}, []
    with serving(Answers) as port:
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{port}/debian")
        yield port


def _mirror() -> Mirror:
    return Mirror(lambda count: None)


@pytest.mark.usefixtures("server")
def test_a_file_is_fetched_and_counted() -> None:
    Answers.answers["/debian/a"] = (200, {}, b"content")
    counted: list[int] = []
    assert Mirror(counted.append).get("a", 100) == b"content"
    assert sum(counted) == 7


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("status", "kind"), [(404, errors.NotFound), (503, errors.Unavailable)])
def test_a_refusal_is_told(status: int, kind: type[errors.LabError]) -> None:
    Answers.answers["/debian/a"] = (status, {}, b"")
    with pytest.raises(kind, match=rf"cannot fetch http://127\.0\.0\.1:\d+/debian/a: {status}"):
        _mirror().get("a", 100)


@pytest.mark.usefixtures("server")
def test_what_is_cut_off_is_told() -> None:
    Answers.answers["/debian/a"] = (200, {"Content-Length": "100"}, b"only this")
    with pytest.raises(errors.Unavailable, match=r"the connection to .* was lost"):
        _mirror().save("a", 100, "0" * 64, io.BytesIO())


@pytest.mark.usefixtures("server")
def test_more_than_can_be_is_not_read() -> None:
    Answers.answers["/debian/a"] = (200, {}, b"much more")
    with pytest.raises(errors.CorruptContent, match="more than 5 bytes"):
        _mirror().get("a", 5)


@pytest.mark.usefixtures("server")
def test_redirects_are_followed() -> None:
    Answers.answers |= {"/debian/a": (302, {"Location": "/else"}, b""), "/else": (200, {}, b"found")}
    assert _mirror().get("a", 100) == b"found"


def test_a_proxy_is_asked(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server}")
    monkeypatch.setenv(VARIABLE, "http://mirror.invalid/debian")
    Answers.answers["http://mirror.invalid/debian/a"] = (200, {}, b"by proxy")
    assert _mirror().get("a", 100) == b"by proxy"


@pytest.mark.usefixtures("server")
def test_plain_http_needs_a_signature_that_can_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers.answers["/debian/dists/trixie/InRelease"] = (200, {}, b"SHA256:\n")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.NotPermitted, match="over plain http") as caught:
        debian.newest(_mirror(), "x86_64")
    assert "gpgv" in caught.value.hint


@pytest.mark.usefixtures("server")
@pytest.mark.system("gpgv", "debian-archive-keyring")
def test_an_index_without_signature_is_refused() -> None:
    Answers.answers["/debian/dists/trixie/InRelease"] = (200, {}, b"SHA256:\n")
    with pytest.raises(errors.CorruptContent, match="no valid signature"):
        debian.newest(_mirror(), "x86_64")


@pytest.mark.usefixtures("server")
@pytest.mark.slow
@pytest.mark.system("gpgv", "debian-archive-keyring")
def test_a_changed_index_is_refused_and_debians_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    name, own = "dists/trixie/InRelease", _mirror()
    monkeypatch.setenv(VARIABLE, DEFAULT)
    try:
        signed = _mirror().get(name, 4 << 20)
    except errors.Unavailable as error:
        pytest.skip(str(error))
    Answers.answers[f"/debian/{name}"] = (200, {}, signed.replace(b"Codename: trixie", b"Codename: trixiE"))
    with pytest.raises(errors.CorruptContent, match="no valid signature"):
        debian.newest(own, "x86_64")
    Answers.answers[f"/debian/{name}"] = (200, {}, signed)
    with pytest.raises(errors.NotFound, match="no list of trixie's packages"):  # for that it looks next
        debian.newest(own, "x86_64")
