"""Names lead to endpoints, with the certificates and the caution that go with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.endpoints import Endpoint, TlsFiles, endpoint, endpoints, tls_files
from containerlab.distribution.proxies import proxy_for
from containerlab.distribution.realms import judge
from containerlab.oci.reference import Reference


def _first(name: str, tls_verify: bool | None = None) -> Endpoint:
    (found,) = endpoints(Reference.parse(name), tls_verify=tls_verify)
    return found


@pytest.fixture(autouse=True)
def conf(user: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    conf = user / "registries.conf"
    conf.write_text("")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    return conf


def test_docker_hub_is_spelled_in_three_ways() -> None:
    found = _first("debian:12")
    assert found.url == "https://registry-1.docker.io"
    assert (found.registry, found.repository) == ("docker.io", "library/debian")


@pytest.mark.parametrize(
    ("host", "tls_verify", "is_verified", "may_be_plain"),
    [
        ("r.example", None, True, False),
        ("r.example", False, False, True),
        ("localhost:5000", None, True, True),
        ("localhost:5000", True, True, False),
        ("127.0.0.2:5000", None, True, True),
        ("[::1]:5000", None, True, True),
        ("localhost.example:5000", None, True, False),
        ("127.0.0.1.example", None, True, False),
        ("10.0.0.1:5000", None, True, False),
        ("[::2]:5000", None, True, False),
        ("0.0.0.0:5000", None, True, False),
    ],
)
def test_only_this_machine_may_be_plain(
    host: str, tls_verify: bool | None, is_verified: bool, may_be_plain: bool
) -> None:
    found = _first(f"{host}/a", tls_verify)
    assert (found.url, found.is_verified, found.may_be_plain) == (
        f"https://{host}",
        is_verified,
        may_be_plain,
    )
    assert endpoint(host, tls_verify=tls_verify).may_be_plain == may_be_plain


def test_what_the_rules_call_insecure_may_be_plain_unless_tls_is_insisted_on(conf: Path) -> None:
    conf.write_text('[[registry]]\nlocation = "r.example"\ninsecure = true\n')
    assert _first("r.example/a").may_be_plain
    assert not _first("r.example/a").is_verified
    insisted = _first("r.example/a", True)
    assert (insisted.is_verified, insisted.may_be_plain) == (True, False)
    assert endpoint("r.example").may_be_plain


def test_mirrors_have_their_own_credentials(conf: Path) -> None:
    conf.write_text('[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "m.example/hub"\n')
    mirror, hub = endpoints(Reference.parse("debian"))
    assert (mirror.registry, mirror.repository, mirror.is_mirror) == ("m.example", "hub/library/debian", True)
    assert not hub.is_mirror
    (target,) = endpoints(Reference.parse("debian"), for_push=True)
    assert target == hub


def test_certificates_are_those_of_the_first_folder(user: Path) -> None:
    host = "r.example:5000"
    docker, podman = (user / f".config/{each}/certs.d" / host for each in ("docker", "containers"))
    assert tls_files(host) is None
    docker.mkdir(parents=True)
    (docker / "ca.crt").touch()
    assert _first(f"{host}/a").tls == TlsFiles((f"{docker}/ca.crt",))
    podman.mkdir(parents=True)
    for name in ("b.crt", "a.crt", "me.cert", "me.key", "README"):
        (podman / name).touch()
    assert tls_files(host) == TlsFiles(
        (f"{podman}/a.crt", f"{podman}/b.crt"), ((f"{podman}/me.cert", f"{podman}/me.key"),)
    )
    assert tls_files("r.example") is None


@pytest.mark.parametrize(
    ("name", "said"), [("me.cert", "lacks its key"), ("me.key", "lacks its certificate")]
)
def test_half_a_pair_is_an_error(user: Path, name: str, said: str) -> None:
    folder = user / ".config/containers/certs.d/r.example"
    folder.mkdir(parents=True)
    (folder / name).touch()
    with pytest.raises(errors.InvalidInput, match=said):
        _first("r.example/a")


PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "url", "proxy"),
    [
        ("", "https://r.example/v2/", PROXY),
        ("", "https://localhost:5000/v2/", None),
        ("", "https://127.0.0.9/v2/", None),
        ("", "https://[::1]:1/v2/", None),
        ("*", "https://r.example", None),
        ("r.example", "https://r.example", None),
        ("r.example", "https://a.r.example", None),
        ("r.example", "https://ar.example", PROXY),
        (".r.example", "https://a.r.example", None),
        (".r.example", "https://r.example", PROXY),
        ("*.r.example", "https://a.r.example", None),
        ("a, R.Example ,b", "https://r.example", None),
        ("10.0.0.0/8", "https://10.1.2.3:443", None),
        ("10.0.0.0/8", "https://11.1.2.3", PROXY),
        ("fd00::/8", "https://[fd00::1]", None),
        ("10.1.2.3", "https://10.1.2.3", None),
        ("r.example:443", "https://r.example", None),
        ("r.example:80", "https://r.example", PROXY),
        ("10.1.2.3:5000", "https://10.1.2.3:5000", None),
        ("[fd00::1]:5000", "https://[fd00::1]:5000", None),
        ("fd00::1", "https://[fd00::1]:5000", None),
        ("not/a/network", "https://r.example", PROXY),
    ],
)
def test_proxies(monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, proxy: str | None) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert proxy_for(url) == proxy


def test_proxies_by_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "proxy.example:1")
    assert proxy_for("http://r.example") == "http://proxy.example:1"
    assert proxy_for("https://r.example") is None
    monkeypatch.setenv("REQUEST_METHOD", "GET")  # httpoxy: CVE-2016-5385
    assert proxy_for("http://r.example") is None
    for wrong in ("socks5://p:1", "http://", "http://p:port"):
        monkeypatch.setenv("HTTPS_PROXY", wrong)
        with pytest.raises(errors.InvalidInput, match="HTTPS_PROXY"):
            proxy_for("https://r.example")


@pytest.mark.parametrize(
    ("registry", "realm", "trust"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", "trusted"),
        ("https://r.example:5000", "https://r.example:5000/token", "trusted"),
        ("https://R.example", "https://r.EXAMPLE:443/token", "trusted"),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", "trusted"),
        ("https://r.example.com", "https://auth.example.com:8443/t", "trusted"),
        ("http://localhost:5000", "http://localhost:5000/token", "trusted"),
        # somebody else's
        ("https://r.example.com", "https://evil.example.net/token", "anonymous"),
        ("https://r.example.com", "https://r.example.com.evil.net/token", "anonymous"),
        ("https://a.co.uk", "https://b.co.uk/token", "anonymous"),
        ("https://a.azurecr.io", "https://b.azurecr.io/token", "anonymous"),
        ("http://localhost:5000", "http://localhost:5001/token", "anonymous"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", "anonymous"),
        # without TLS, on this machine, at an address, no URL
        ("https://r.example.com", "http://r.example.com/token", "refused"),
        ("https://r.example.com", "https://localhost/token", "refused"),
        ("https://r.example.com", "https://169.254.169.254/latest", "refused"),
        ("https://r.example.com", "https://[::1]/token", "refused"),
        ("https://r.example.com", "https://router/token", "refused"),
        ("http://r.example.com", "http://10.0.0.1/token", "refused"),
        ("https://r.example.com", "https://r.example.com@evil.net/token", "refused"),
        ("https://r.example.com", "file:///etc/passwd", "refused"),
        ("https://r.example.com", "/token", "refused"),
        ("https://r.example.com", "https://r.example.com:port/token", "refused"),
        ("https://r.example.com", "https://", "refused"),
    ],
)
def test_which_token_servers_get_what(registry: str, realm: str, trust: str) -> None:
    assert judge(registry, realm) == trust


def test_the_boundary_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERLAB_TRUSTED_REALMS", "sso.example.org, localhost:5001")
    assert judge("https://r.example.com", "https://sso.example.org/token") == "trusted"
    assert judge("http://localhost:5000", "http://localhost:5001/token") == "trusted"
    assert judge("http://localhost:5000", "http://localhost:5002/token") == "anonymous"
    assert judge("https://r.example.com", "http://sso.example.org/token") == "refused"


@pytest.mark.parametrize(
    "host", ["a b", "x/y", "", "h:99999", "h:0", "[::1", "u@h", "h\n", "h?x", "h#x", "é\x00"]
)
def test_what_is_no_host_is_refused_before_it_is_asked(host: str) -> None:
    with pytest.raises(errors.InvalidInput, match="is not a registry"):
        endpoint(host)
