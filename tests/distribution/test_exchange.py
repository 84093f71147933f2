"""One request and its answer: with TLS and without, through drops, redirects, busy and hostile registries."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from containerlab import errors
from containerlab.distribution import answer as answers
from containerlab.distribution import tries
from containerlab.distribution.credentials import ANONYMOUS, Credentials
from containerlab.distribution.endpoints import Endpoint, endpoint
from containerlab.distribution.exchange import Exchange
from containerlab.distribution.refusals import Dropped, RegistryRefused
from containerlab.oci import digest as digests
from tests import registries
from tests.certificates import Authority
from tests.distribution.peers import CUT, Cutter, Handler, Peer, Request, Tunnel, respond

ADA = Credentials("ada", "pw")
BASIC = "Basic YWRhOnB3"
PATH = "/v2/lab/app/manifests/1"


@pytest.fixture(autouse=True)
def _quick(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine count, and waits are as short as they can be."""
    monkeypatch.setattr(tries, "_DROP_S", 0.0)
    monkeypatch.setattr(tries, "_BUSY_S", 0.0)


def _exchange(peer: Peer, credentials: Credentials = ANONYMOUS, **named: object) -> Exchange:
    place = Endpoint(url=peer.url, registry=peer.host, repository="lab/app")
    return Exchange(place, credentials, **named)  # type: ignore[arg-type]


def _get(exchange: Exchange, path: str = PATH) -> bytes:
    with exchange.request("GET", path) as answer:
        return answer.read()


class _Text:
    """A body that counts how often it is opened."""

    def __init__(self, content: bytes, size: int | None) -> None:
        self._content, self.size, self.count = content, size, 0

    def open(self) -> BinaryIO:
        self.count += 1
        return io.BytesIO(self._content)


# a real registry


@pytest.mark.parametrize("tls", [False, True])
def test_a_real_registry(tmp_path: Path, user: Path, tls: bool) -> None:
    with registries.debian(tmp_path / "r", auth="basic", tls=tls) as registry:
        if registry.authority:
            folder = user / ".config/containers/certs.d" / registry.host
            folder.mkdir(parents=True)
            (folder / "ca.crt").write_bytes(registry.authority.read_bytes())
        place = endpoint(registry.host)
        with Exchange(place, Credentials(registry.user, registry.password)) as exchange:
            assert exchange.url == registry.url
            content = b"layer" * 100_000
            digest = digests.of(content)
            with exchange.request("POST", "/v2/lab/app/blobs/uploads/", expect=(202,)) as answer:
                location = answer.headers["location"]
            body = _Text(content, None)
            with exchange.request("PATCH", location, body=body, expect=(202,)) as answer:
                location = answer.headers["Location"]
            with exchange.request("PUT", location, query=[("digest", digest)], expect=(201,)) as answer:
                assert answer.digest == digest
            with exchange.request("GET", f"/v2/lab/app/blobs/{digest}") as answer:
                assert answer.read() == content
            with exchange.request("HEAD", f"/v2/lab/app/blobs/{digest}") as answer:
                assert (answer.length, answer.read()) == (len(content), b"")
            with pytest.raises(errors.NotFound, match=r"manifest unknown \(MANIFEST_UNKNOWN\)") as caught:
                _get(exchange)
            assert isinstance(caught.value, RegistryRefused)
            assert (caught.value.status, caught.value.codes) == (404, {"MANIFEST_UNKNOWN"})
        with Exchange(place, Credentials(registry.user, "no")) as exchange:
            with pytest.raises(errors.NotPermitted, match="UNAUTHORIZED") as refused:
                _get(exchange)
            assert f"conlab login {registry.host}" in refused.value.hint


# TLS


@pytest.fixture(scope="module")
def authority(base: Path) -> Authority:
    return Authority(base / "exchange-tls")


def _ok(request: Request) -> bytes:
    return respond(200, b"ok")


def test_an_unknown_authority_is_refused_on_the_loopback_too(authority: Authority) -> None:
    with Peer(_ok, authority.server()) as peer:
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.NotPermitted) as caught:
            _get(exchange)
        assert "cannot be trusted" in caught.value.message
        assert f"certs.d/{peer.host}/ca.crt" in caught.value.hint
        with Exchange(endpoint(peer.host, tls_verify=False)) as exchange:
            assert _get(exchange) == b"ok"
            assert exchange.url.startswith("https:")


def test_a_certificate_for_another_host_is_refused(authority: Authority, user: Path) -> None:
    with Peer(_ok, authority.server("elsewhere", host="elsewhere.example")) as peer:
        _trust(user, peer, authority)
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.NotPermitted, match="mismatch"):
            _get(exchange)


def test_a_certificate_that_is_replaced_is_read_again(authority: Authority, user: Path) -> None:
    with Peer(_ok, authority.server()) as peer:
        right = _trust(user, peer, authority) / "ca.crt"
        wrong = Authority(user / "other").certificate.read_bytes()
        for content in (wrong, authority.certificate.read_bytes()):
            right.write_bytes(content)
            with Exchange(endpoint(peer.host)) as exchange:
                if content == wrong:
                    with pytest.raises(errors.NotPermitted, match="cannot be trusted"):
                        _get(exchange)
                else:
                    assert _get(exchange) == b"ok"


def test_an_expired_certificate_is_refused(authority: Authority, user: Path) -> None:
    with Peer(_ok, authority.server("expired", expired=True)) as peer:
        _trust(user, peer, authority)
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.NotPermitted, match="expired"):
            _get(exchange)


def _trust(user: Path, peer: Peer, authority: Authority) -> Path:
    folder = user / ".config/containers/certs.d" / peer.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    return folder


def test_a_client_shows_its_certificate(authority: Authority, user: Path) -> None:
    with Peer(_ok, authority.server(), clients=str(authority.certificate)) as peer:
        folder = _trust(user, peer, authority)
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.LabError, match=r"TLS|lost"):
            _get(exchange)
        pair = authority.client()
        (folder / "me.cert").write_bytes(pair.certificate.read_bytes())
        (folder / "me.key").write_bytes(pair.key.read_bytes())
        with Exchange(endpoint(peer.host)) as exchange:
            assert _get(exchange) == b"ok"


@pytest.mark.parametrize("name", ["ca.crt", "me.cert"])
def test_a_certificate_that_is_none_is_named(authority: Authority, user: Path, name: str) -> None:
    with Peer(_ok, authority.server()) as peer:
        folder = _trust(user, peer, authority)
        (folder / "me.key").touch()
        (folder / "me.cert").write_bytes(authority.certificate.read_bytes())
        (folder / name).write_text("no certificate")
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.InvalidInput, match=name):
            _get(exchange)


def test_plain_http_is_found_on_the_loopback_and_nothing_is_told_before() -> None:
    with Peer(_ok) as peer:
        with Exchange(endpoint(peer.host), ADA) as exchange:
            assert _get(exchange) == b"ok"
            assert exchange.url == peer.url
        assert len(peer.requests) == 1
        with Exchange(endpoint(peer.host, tls_verify=True)) as exchange:
            with pytest.raises(errors.Unavailable, match="speaks plain HTTP") as caught:
                _get(exchange)
            assert "--tls-verify=false" in caught.value.hint


def test_who_has_shaken_hands_is_not_spoken_to_without_tls(authority: Authority, user: Path) -> None:
    def cut_first(request: Request) -> bytes:
        return CUT if request.method == "HEAD" else respond(200, b"ok")

    with Peer(cut_first, authority.server()) as peer:
        _trust(user, peer, authority)
        with Exchange(endpoint(peer.host), ADA) as exchange:
            assert exchange.url.startswith("https:")
            assert _get(exchange) == b"ok"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_1_1_is_not_spoken(authority: Authority, user: Path) -> None:
    with Peer(_ok, authority.server()) as peer:
        _trust(user, peer, authority)
        assert peer._context
        peer._context.set_ciphers("ALL:@SECLEVEL=0")
        peer._context.minimum_version = peer._context.maximum_version = 770  # type: ignore[assignment]  # TLS 1.1
        with Exchange(endpoint(peer.host)) as exchange, pytest.raises(errors.Unavailable, match="TLS"):
            _get(exchange)


# drops


def test_a_lost_connection_is_tried_again() -> None:
    def handle(request: Request) -> bytes:
        return CUT if len(peer.requests) < 5 else respond(200, b"ok")

    with Peer(handle) as peer, _exchange(peer) as exchange:
        assert _get(exchange) == b"ok"


def test_in_the_end_a_lost_connection_is_an_error() -> None:
    with Peer(lambda request: CUT) as peer, _exchange(peer) as exchange:
        with pytest.raises(Dropped, match=f"the connection to {peer.host} was lost"):
            _get(exchange)
        assert len(peer.requests) == 5


def test_what_may_have_been_done_is_not_done_again_unasked() -> None:
    with Peer(lambda request: CUT) as peer, _exchange(peer) as exchange:
        for method in ("POST", "PATCH"):
            with pytest.raises(Dropped), exchange.request(method, PATH, body=b"x"):
                pass
        assert len(peer.requests) == 2
        with pytest.raises(Dropped), exchange.request("POST", PATH, is_repeatable=True):
            pass
        assert len(peer.requests) == 7


def test_a_body_is_sent_anew_at_each_try() -> None:
    def handle(request: Request) -> bytes:
        return CUT if len(peer.requests) < 3 else respond(201, request.body)

    with Peer(handle) as peer, _exchange(peer) as exchange:
        for size in (3, None):
            peer.requests.clear()
            body = _Text(b"abc", size)
            with exchange.request("PUT", PATH, body=body, expect=(201,)) as answer:
                assert answer.read() == b"abc"
            assert body.count == 3


@pytest.mark.parametrize("cut", [1, 17, 30])
def test_a_connection_cut_in_the_headers(cut: int) -> None:
    with Peer(_ok) as peer, Cutter(peer.port, [cut]) as cutter:
        place = Endpoint(url=f"http://{cutter.host}", registry=cutter.host, repository="lab/app")
        with Exchange(place, ANONYMOUS) as exchange:
            assert _get(exchange) == b"ok"
            assert cutter.count == 2


def test_a_body_that_ends_too_early_is_never_taken_for_whole() -> None:
    content = b"x" * 100_000
    with Peer(lambda request: respond(200, content)) as peer, Cutter(peer.port, [50_000]) as cutter:
        place = Endpoint(url=f"http://{cutter.host}", registry=cutter.host, repository="lab/app")
        with Exchange(place, ANONYMOUS) as exchange:
            with pytest.raises(Dropped), exchange.request("GET", PATH) as answer:
                answer.read()
            assert _get(exchange) == content


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"short"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\nshort"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nshort\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"no number\r\n"],
    ],
)
def test_bodies_that_end_too_early(pieces: list[bytes]) -> None:
    with Peer(lambda request: pieces) as peer, _exchange(peer) as exchange, pytest.raises(Dropped):
        _get(exchange)


def test_bodies_in_chunks_and_of_no_length() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"
    for pieces in ([chunked], [b"HTTP/1.1 200 OK\r\n\r\n", b"whole"], [b"HTTP/1.0 200 OK\r\n\r\nwho", b"le"]):
        with Peer(lambda request, pieces=pieces: pieces) as peer, _exchange(peer) as exchange:
            assert _get(exchange) == b"whole"


def test_one_connection_serves_many_requests() -> None:
    with Peer(lambda request: respond(200, b"ok")) as peer, Cutter(peer.port, []) as counter:
        place = Endpoint(url=f"http://{counter.host}", registry=counter.host, repository="lab/app")
        with Exchange(place, ANONYMOUS) as exchange:
            for _ in range(5):
                assert _get(exchange) == b"ok"
            peer.handler = lambda request: respond(202)
            with exchange.request("POST", PATH, expect=(202,)):
                pass
            with exchange.request("GET", PATH, expect=(202,)):
                pass
            assert counter.count == 1
            peer.handler = lambda request: respond(200, b"unread")
            for _ in range(2):
                with exchange.request("GET", PATH):
                    pass
            assert counter.count == 2


def test_nobody_there() -> None:
    with Peer(_ok) as peer:
        pass
    for place in (endpoint(peer.host), Endpoint(url=peer.url, registry=peer.host)):
        with (
            Exchange(place, ANONYMOUS) as exchange,
            pytest.raises(errors.Unavailable, match=f"cannot connect to {peer.host}: connection refused"),
        ):
            _get(exchange)
    nowhere = pytest.raises(errors.Unavailable, match=r"cannot find no-such-host\.invalid")
    with Exchange(endpoint("no-such-host.invalid"), ANONYMOUS) as exchange, nowhere:
        _get(exchange)


# busy


def _later(seconds: float) -> str:
    return email.utils.format_datetime(
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds), usegmt=True
    )


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0", _later(-5), "nonsense", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_busy_registry_is_asked_again(status: int, after: str, method: str) -> None:
    def handle(request: Request) -> bytes:
        busy = respond(status, b"{}", {"Retry-After": after} if after else {})
        return busy if len(peer.requests) < 5 else respond(200, b"ok")

    with (
        Peer(handle) as peer,
        _exchange(peer) as exchange,
        exchange.request(method, PATH, body=b"x") as answer,
    ):
        assert answer.read() == b"ok"


def test_a_registry_that_stays_busy_says_so_after_five_tries() -> None:
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
    with Peer(lambda request: respond(429, body)) as peer, _exchange(peer) as exchange:
        with pytest.raises(errors.Unavailable, match=r"slow down \(TOOMANYREQUESTS\)"):
            _get(exchange)
        assert len(peer.requests) == 5


@pytest.mark.parametrize("after", ["61", _later(3600), "9" * 9])
def test_nobody_waits_longer_than_a_minute(after: str) -> None:
    with Peer(lambda request: respond(429, b"", {"Retry-After": after})) as peer, _exchange(peer) as exchange:
        with pytest.raises(errors.Unavailable) as caught:
            _get(exchange)
        assert after in caught.value.hint
        assert len(peer.requests) == 1


def test_waits() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert tries.retry_after_s("Thu, 01 Jan 2026 00:00:30 GMT", now) == 30
    assert tries.retry_after_s("Thu, 01 Jan 2026 00:00:30", now) == 30
    assert tries.retry_after_s("Wed, 31 Dec 2025 00:00:00 GMT", now) == 0
    for text in ("", "-1", "1.5", "1e9", "９", "9" * 40, "Thu, 99 Jan"):
        assert tries.retry_after_s(text, now) is None


def test_a_wait_ends_when_the_exchange_is_closed() -> None:
    asked = threading.Event()

    def handle(request: Request) -> bytes:
        asked.set()
        return respond(503, b"", {"Retry-After": "60"})

    with Peer(handle) as peer, _exchange(peer) as exchange, _caught(lambda: _get(exchange)) as found:
        asked.wait(10)
        exchange.close()
    assert isinstance(found[0], errors.Unavailable)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"])
def test_who_waits_for_an_answer_is_woken_when_the_exchange_is_closed(
    authority: Authority, user: Path, tls: bool, sent: bytes
) -> None:
    waiting, ended, held = threading.Event(), threading.Event(), list[bool]()

    def stall(request: Request) -> Iterator[bytes]:
        yield sent
        waiting.set()
        held.append(ended.wait(10))

    with Peer(stall, authority.server() if tls else None) as peer:
        if tls:
            _trust(user, peer, authority)
        place = endpoint(peer.host, tls_verify=True) if tls else Endpoint(url=peer.url, registry=peer.host)
        with Exchange(place, ANONYMOUS) as exchange, _caught(lambda: _get(exchange)) as found:
            waiting.wait(10)
            exchange.close()
        ended.set()  # only when the other thread has come back
    assert held == [True]
    assert isinstance(found[0], errors.Unavailable)


def test_ctrl_c_ends_a_wait() -> None:
    """In a process of its own: it is the main thread that gets it."""
    asked = threading.Event()

    def busy(request: Request) -> bytes:
        asked.set()
        return respond(503, b"", {"Retry-After": "60"})

    with Peer(busy) as peer:
        words = [sys.executable, "-c", _WAITING, peer.url]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            assert asked.wait(30)
            process.send_signal(signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]


_WAITING = """
import sys
from containerlab.distribution.endpoints import Endpoint
from containerlab.distribution.exchange import Exchange
with Exchange(Endpoint(url=sys.argv[1], registry="r")) as exchange:
    with exchange.request("GET", "/v2/"):
        pass
"""


class _caught:
    """Do something on another thread meanwhile; gives what it raised."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._found: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(act,))

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            self._found.append(error)

    def __enter__(self) -> list[BaseException]:
        self._thread.start()
        return self._found

    def __exit__(self, *_: object) -> None:
        self._thread.join()


# redirects


def _redirecting(*locations: str, status: int = 307) -> Handler:
    left = list(locations)

    def handle(request: Request) -> bytes:
        return respond(status, b"", {"Location": left.pop(0)}) if left else respond(200, b"end")

    return handle


def _basic(handler: Handler) -> Handler:
    """Ask for a login first."""

    def handle(request: Request) -> object:
        if request.headers.get("authorization") != BASIC:
            return respond(401, b"", {"WWW-Authenticate": 'Basic realm="r"'})
        return handler(request)

    return handle  # type: ignore[return-value]


def test_no_password_goes_along_with_a_redirect() -> None:
    with Peer(_ok) as storage, Peer(_basic(_redirecting(f"{storage.url}/blob?sig=1"))) as peer:
        with _exchange(peer, ADA) as exchange, exchange.request("GET", PATH) as answer:
            assert answer.read() == b"ok"
            assert answer.url == f"{storage.url}/blob?sig=1"
        (request,) = storage.requests
        assert "authorization" not in request.headers
        assert request.target == "/blob?sig=1"


def test_another_host_that_asks_for_a_login_gets_none() -> None:
    def greedy(request: Request) -> bytes:
        return respond(401, b"", {"WWW-Authenticate": 'Basic realm="r"'})

    with Peer(greedy) as storage, Peer(_basic(_redirecting(f"{storage.url}/blob"))) as peer:
        with _exchange(peer, ADA) as exchange, pytest.raises(errors.NotPermitted):
            _get(exchange)
        assert all("authorization" not in request.headers for request in storage.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_keeps_the_login(status: int) -> None:
    with Peer(_basic(_redirecting("/v2/moved", "manifests/2", status=status))) as peer:
        with _exchange(peer, ADA) as exchange:
            assert _get(exchange) == b"end"
        assert [request.target for request in peer.requests[2:]] == ["/v2/moved", "/v2/manifests/2"]


def test_a_body_goes_along_on_the_same_host_and_to_no_other() -> None:
    with Peer(_ok) as storage, Peer(_redirecting("/v2/there")) as peer, _exchange(peer) as exchange:
        with exchange.request("PUT", PATH, body=b"abc") as answer:
            assert answer.read() == b"end"
        assert peer.requests[-1].body == b"abc"
        peer.handler = _redirecting(storage.url.replace("localhost", "127.0.0.1"))
        with (
            pytest.raises(errors.NotPermitted, match="another host, for a PUT"),
            exchange.request("PUT", PATH, body=b"a"),
        ):
            pass
        assert storage.requests == []


def test_redirects_have_an_end() -> None:
    with Peer(lambda request: respond(307, b"", {"Location": "/again"})) as peer, _exchange(peer) as exchange:
        with pytest.raises(errors.Unavailable, match="redirects again and again"):
            _get(exchange)
        assert len(peer.requests) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://x", "https://[::1", "//x:port"])
def test_a_redirect_to_no_place_is_refused(location: str) -> None:
    with Peer(_redirecting(location)) as peer, _exchange(peer) as exchange, pytest.raises(errors.LabError):
        _get(exchange)


def test_a_redirect_never_leaves_tls(authority: Authority, user: Path) -> None:
    with Peer(_ok) as plain, Peer(_redirecting(f"{plain.url}/blob"), authority.server()) as peer:
        _trust(user, peer, authority)
        refused = pytest.raises(errors.NotPermitted, match="no TLS")
        with Exchange(endpoint(peer.host, tls_verify=True), ADA) as exchange, refused:
            _get(exchange)
        assert plain.requests == []


def test_a_location_without_tls_on_the_same_host_is_taken_with_it(authority: Authority, user: Path) -> None:
    """As registries behind a proxy write it, who do not know that there is TLS."""
    with Peer(_ok, authority.server()) as peer:
        _trust(user, peer, authority)
        with Exchange(endpoint(peer.host)) as exchange:
            assert _get(exchange, "http://localhost/v2/there") == b"ok"
            with pytest.raises(errors.NotPermitted, match="no TLS"):
                _get(exchange, "http://elsewhere.example/v2/there")
        assert peer.requests[-1].target == "/v2/there"


def test_nobody_from_elsewhere_leads_to_this_machine(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy plays a registry elsewhere."""
    with Peer(_ok) as inside, Peer(_redirecting(f"{inside.url}/admin")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        place = Endpoint(url="http://r.example", registry="r.example", repository="lab/app")
        refused = pytest.raises(errors.NotPermitted, match="on this machine")
        with Exchange(place, ANONYMOUS) as exchange, refused:
            _get(exchange)
        assert inside.requests == []
        assert proxy.requests[0].target == f"http://r.example{PATH}"


# hostile answers


def test_a_document_has_a_bound() -> None:
    refused = pytest.raises(errors.CorruptContent, match="more than the 4194304 bytes")
    with Peer(lambda request: respond(200, b"x" * 5_000_000)) as peer, _exchange(peer) as exchange, refused:
        _get(exchange)


def test_an_endless_document_is_given_up() -> None:
    def endless(request: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    with Peer(endless) as peer, _exchange(peer) as exchange, pytest.raises(errors.CorruptContent):
        _get(exchange)


def test_a_document_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_DOCUMENT_S", 0.0)

    def drip(request: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        while True:
            yield b"x"

    with Peer(drip) as peer, _exchange(peer) as exchange, pytest.raises(errors.TimedOut):
        _get(exchange)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/9 hello\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 -5 no\r\n\r\n",
    ],
)
def test_heads_that_are_none(head: bytes) -> None:
    with Peer(lambda request: [head]) as peer, _exchange(peer) as exchange, pytest.raises(errors.LabError):
        _get(exchange)


@pytest.mark.parametrize("length", ["-5", "abc", "9" * 30, "+5", "５"])
def test_lengths_that_are_none(length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello".encode("latin-1", "replace")
    refused = contextlib.suppress(errors.LabError)
    with Peer(lambda request: [head]) as peer, _exchange(peer) as exchange, refused:
        assert _get(exchange) == b"hello"


def test_what_a_registry_says_is_shown_harmless_and_short() -> None:
    message = "a\x1b[31m\r\nb\u202e" + "x" * 5000
    body = registry_problem("DENIED\n\x07", message)
    with Peer(lambda request: respond(403, body)) as peer, _exchange(peer) as exchange:
        with pytest.raises(errors.NotPermitted) as caught:
            _get(exchange)
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 1200


def test_the_login_is_not_blamed_where_it_was_right() -> None:
    body = registry_problem("DENIED", "tag v1 is immutable")
    with Peer(lambda request: respond(403, body)) as peer, _exchange(peer, ADA) as exchange:
        with pytest.raises(errors.NotPermitted, match="immutable") as caught:
            _get(exchange)
        assert caught.value.hint == f"that was asked as ada; to be somebody else: conlab login {peer.host}"


def test_a_refusal_without_words_names_the_repository() -> None:
    refused = pytest.raises(errors.NotPermitted, match=r"no access to lab/app: forbidden \(status 403\)")
    with Peer(lambda request: respond(403)) as peer, _exchange(peer, ADA) as exchange, refused:
        exchange.request("HEAD", "/v2/lab/app/blobs/sha256:0").__enter__()


def registry_problem(code: str, message: str) -> bytes:
    import msgspec

    return msgspec.json.encode({"errors": [{"code": code, "message": message, "detail": {"a": [1]}}]})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RegistryRefused),
        (401, errors.NotPermitted),
        (403, errors.NotPermitted),
        (404, errors.NotFound),
        (405, errors.Unsupported),
        (409, errors.Conflict),
        (413, RegistryRefused),
        (418, RegistryRefused),
        (500, errors.Unavailable),
        (599, errors.Unavailable),
        (999, errors.Unavailable),
    ],
)
def test_refusals_by_status(status: int, kind: type[Exception]) -> None:
    with Peer(lambda request: respond(status, b"<html>no</html>")) as peer, _exchange(peer) as exchange:
        with pytest.raises(kind, match=f"{peer.host}: GET {PATH}:") as caught:
            _get(exchange)
        assert isinstance(caught.value, RegistryRefused)
        assert caught.value.status == status


def test_warnings_are_told_once() -> None:
    told: list[str] = []
    warnings = [
        ("Warning", '299 - "move \\"now\\"\x1b[0m"'),
        ("Warning", '199 - "other"'),
        ("warning", "nonsense"),
    ]
    answer = respond(200, b"ok", warnings)
    with Peer(lambda request: answer) as peer, _exchange(peer, notice=told.append) as exchange:
        _get(exchange)
        _get(exchange)
    assert told == [f'{peer.host} warns: move "now" [0m']


@pytest.mark.parametrize("path", ["/v2/a\r\nX-Injected: 1", "/v2/a b", "/v2/\x00", "/v2/é"])
def test_nothing_is_injected_by_a_path(path: str) -> None:
    with Peer(_ok) as peer, _exchange(peer) as exchange:
        with contextlib.suppress(errors.InvalidInput):
            _get(exchange, path)
        for request in peer.requests:
            assert "x-injected" not in request.headers
            assert request.target.isascii()


def test_nothing_is_injected_by_a_header() -> None:
    with Peer(_ok) as peer, _exchange(peer) as exchange:
        with (
            pytest.raises(errors.InvalidInput),
            exchange.request("GET", PATH, headers={"Accept": "a\r\nX: 1"}),
        ):
            pass
        assert peer.requests == []


def test_requests_say_who_asks() -> None:
    with Peer(_ok) as peer, _exchange(peer) as exchange:
        _get(exchange)
    headers = peer.requests[0].headers
    assert headers["user-agent"].startswith("containerlab/")
    assert headers["accept-encoding"] == "identity"


def test_a_proxy_gets_its_own_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(_basic(_ok)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@{proxy.host}")
        place = Endpoint(url="http://r.example:5000", registry="r.example:5000", repository="lab/app")
        with Exchange(place, ADA) as exchange:
            assert _get(exchange) == b"ok"
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


def test_through_a_proxy_it_is_the_registrys_certificate_that_counts(
    authority: Authority, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = user / ".config/containers/certs.d/r.example:5000"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    pair = authority.server("r.example", host="r.example")
    with Peer(_basic(_ok), pair) as peer, Tunnel(peer.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@{proxy.host}")
        with Exchange(endpoint("r.example:5000"), ADA) as exchange:
            assert _get(exchange) == b"ok"
        assert proxy.asked[0].target == "r.example:5000"
        assert "proxy-authorization" in proxy.asked[0].headers
        assert "authorization" not in proxy.asked[0].headers
        assert all("proxy-authorization" not in request.headers for request in peer.requests)
        refused = pytest.raises(errors.NotPermitted, match="mismatch")
        (user / ".config/containers/certs.d/s.example").mkdir()
        (user / ".config/containers/certs.d/s.example/ca.crt").write_bytes(authority.certificate.read_bytes())
        with Exchange(endpoint("s.example"), ADA) as exchange, refused:
            _get(exchange)


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(_ok) as gone:
        pass
    monkeypatch.setenv("HTTPS_PROXY", gone.url)
    refused = pytest.raises(errors.Unavailable, match="through the proxy")
    with Exchange(endpoint("r.example"), ANONYMOUS) as exchange, refused as caught:
        _get(exchange)
    assert "HTTPS_PROXY" in caught.value.hint


def test_a_registry_that_starts_anew_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(lambda request: [respond(200, b"ok")]) as peer:  # which ends the connection
        exchange = _exchange(peer)
        assert _get(exchange) == b"ok"
    with contextlib.ExitStack() as stack:

        class Starting(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                stack.enter_context(Peer(_ok, port=peer.port))
                return False

        monkeypatch.setattr(exchange, "_closed", Starting())
        with exchange.request("POST", PATH) as answer:  # nothing was sent: anything may be sent again
            assert answer.read() == b"ok"
        exchange.close()


def test_notices_have_an_end() -> None:
    told: list[str] = []

    def handle(request: Request) -> bytes:
        return respond(200, b"ok", {"Warning": f'299 - "{len(peer.requests)}"'})

    with Peer(handle) as peer, _exchange(peer, notice=told.append) as exchange:
        for _ in range(50):
            _get(exchange)
    assert len(told) == 20


def test_many_threads_share_an_exchange() -> None:
    with (
        Peer(_basic(lambda request: respond(200, request.target.encode()))) as peer,
        _exchange(peer, ADA) as exchange,
    ):
        found: dict[int, bytes] = {}

        def work(number: int) -> None:
            for _ in range(5):
                found[number] = _get(exchange, f"/v2/{number}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {number: f"/v2/{number}".encode() for number in range(12)}
