"""Files that keep secrets by their nature: told by their names, read for what in them is secret."""
# ruff: noqa: E501 - a table: one kind, one line

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.build.audit import judging
from containerlab.build.audit.finding import Found
from containerlab.build.secrecy.secret_names import looks_secret

__all__ = ["MOST_BYTES", "FileKind", "kind_of", "secrets_in"]

MOST_BYTES = 4 << 20
"""Longer files are not settings, and only searched for tokens."""


class FileKind(NamedTuple):
    """above: how the directory's path ends, or nothing for any. name: of the file, whole.

    pattern: of what is secret in such files, in its first group; None: settings with names; "": all of it.
    """

    kind: str
    severity: str
    above: str
    name: str
    pattern: str | None


_VALUE = r"""["']?([^\s"'#;,<]+)"""
_IN_URL = r"://[^\s/:@]*:([^\s/@]+)@"
_KINDS = tuple(
    FileKind(*line)
    for line in (
        ("env-file", "high", "", r"\.env(?:\.[\w.-]+)?|[\w-]+\.env|\.envrc|\.flaskenv", None),
        ("netrc", "high", "", r"[._]netrc", r"\bpassword\s+(\S+)"),
        ("npmrc", "high", "", r"\.?npmrc", r"_(?:authToken|auth|password)\s*=\s*" + _VALUE),
        ("yarnrc", "high", "", r"\.yarnrc(?:\.yml)?", r"npmAuth(?:Token|Ident)['\"]?\s*:?\s*" + _VALUE),
        ("pypirc", "high", "", r"\.pypirc", r"(?m)^[ \t]*password\s*[:=]\s*" + _VALUE),
        ("pip-conf", "high", "", r"pip\.(?:conf|ini)", _IN_URL),
        ("git-credentials", "high", "", r"\.?git-?credentials", _IN_URL),
        ("git-credentials", "high", r"/git", r"credentials", _IN_URL),
        ("registry-login", "high", r"/\.docker", r"config\.json", r'"(?:auth|identitytoken|registrytoken|password)"\s*:\s*"([^"]{4,})"'),
        ("registry-login", "high", "", r"\.dockercfg|\.dockerconfigjson", r'"(?:auth|identitytoken|password)"\s*:\s*"([^"]{4,})"'),
        ("registry-login", "high", r"/containers", r"auth\.json", r'"(?:auth|identitytoken|password)"\s*:\s*"([^"]{4,})"'),
        ("kubeconfig", "high", r"/\.kube", r"config", r"(?:client-key-data|token|password)\s*:\s*" + _VALUE),
        ("kubeconfig", "high", "", r"[\w.-]*kubeconfig(?:\.ya?ml)?|k3s\.yaml", r"(?:client-key-data|token|password)\s*:\s*" + _VALUE),
        ("kubeconfig", "high", r"/etc/kubernetes", r"[\w-]+\.conf", r"(?:client-key-data|token|password)\s*:\s*" + _VALUE),
        ("service-account-token", "high", r"/serviceaccount", r"token", ""),
        ("aws-credentials", "high", r"/\.aws", r"credentials|config", r"(?i)(?:secret_access_key|session_token)\s*=\s*" + _VALUE),
        ("gcp-credentials", "high", r"/gcloud(?:/.*)?", r"application_default_credentials\.json|adc\.json", r'"(?:refresh_token|client_secret|private_key)"\s*:\s*"([^"]+)"'),
        ("gcp-credentials", "high", r"/gcloud", r"(?:credentials|access_tokens)\.db", ""),
        ("azure-credentials", "high", r"/\.azure", r"accessTokens\.json|msal_token_cache\.\w+|service_principal_entries\.\w+", r'"(?:secret|accessToken|refreshToken|client_secret)"\s*:\s*"([^"]+)"'),
        ("terraform-state", "high", "", r".+\.tfstate(?:\.backup)?", r'"\w*(?:password|secret|private_key|token|access_key)\w*"\s*:\s*"([^"]{6,})"'),
        ("terraform-variables", "high", "", r".*\.tfvars", None),
        ("terraform-credentials", "high", "", r"credentials\.tfrc\.json|\.terraformrc", r'"?token"?\s*[:=]\s*"([^"]+)"'),
        ("vault-token", "high", "", r"\.vault-token", ""),
        ("ansible-vault-password", "high", "", r"\.?vault[_-]pass(?:word)?(?:\.txt)?", ""),
        ("cargo-credentials", "high", r"/\.cargo", r"credentials(?:\.toml)?", r"token\s*=\s*" + _VALUE),
        ("gem-credentials", "high", r"/\.gem", r"credentials", r":\w*api_key:\s*" + _VALUE),
        ("github-login", "high", r"/gh", r"hosts\.yml", r"oauth_token:\s*" + _VALUE),
        ("composer-login", "high", r"/\.?composer", r"auth\.json", r'"(?:password|[\w.-]+\.\w+)"\s*:\s*"([^"]+)"'),
        ("maven-settings", "high", "", r"settings(?:-security)?\.xml", r"<(?:password|master)>([^<]+)<"),
        ("gradle-properties", "high", "", r"gradle\.properties", None),
        ("nuget-config", "high", "", r"(?:nuget|NuGet)\.[Cc]onfig", r'(?i)(?:ClearText)?Password"\s+value="([^"%]+)"'),
        ("database-password", "high", "", r"\.pgpass", r"(?m)^(?:[^:\n]*:){4}(.+)$"),
        ("database-password", "high", "", r"\.my(?:login)?\.cnf", r"(?m)^[ \t]*password\s*=\s*" + _VALUE),
        ("wordpress-config", "high", "", r"wp-config\.php", r"""'(?:DB_PASSWORD|\w+_(?:KEY|SALT))'\s*,\s*'([^']+)'"""),
        ("rails-master-key", "high", r"/config(?:/credentials)?", r"(?:master|production|staging)\.key", ""),
        ("object-store-login", "high", "", r"\.s3cfg|\.boto|rclone\.conf", r"(?m)^[ \t]*(?:secret_key|gs_oauth2_refresh_token|pass|secret_access_key)\s*=\s*" + _VALUE),
        ("settings-file", "medium", "", r"(?:secrets?|credentials?)\.(?:ya?ml|json|toml|ini|properties|txt)", None),
        ("settings-file", "medium", "", r"application(?:-\w+)?\.(?:properties|ya?ml)|appsettings(?:\.\w+)?\.json|local_settings\.py|database\.ya?ml", None),
        ("password-hash", "medium", r"^/etc", r"shadow-?", r"(?m)^[^:\n]+:(\$[^:\n]+)"),
        ("password-hash", "low", "", r"\.htpasswd", r"(?m)^[^:\n]+:([^:\n]+)"),
        ("key-store", "medium", "", r".+\.(?:p12|pfx|kdbx|keystore)", ""),
    )
)  # fmt: skip
_MOUNTED = FileKind("secret-mount", "high", "", "", "")
_MOUNTS = ("run/secrets/", "var/run/secrets/")
_NAMES = re.compile("|".join(kind.name for kind in _KINDS))
_SETTING = re.compile(
    rb"""(?m)^[ \t]*(?:export[ \t]+|set[ \t]+|-[ \t]+)?["']?([A-Za-z_][\w.-]*)["']?[ \t]*[=:][ \t]*["']?([^\s"'#]+)"""
)
_PATTERNS = {kind.pattern: re.compile(kind.pattern.encode()) for kind in _KINDS if kind.pattern}


def kind_of(path: str) -> FileKind | None:
    """Return what a file of this path is, if such files keep secrets.

    >>> kind_of("root/.netrc").kind, kind_of("etc/hosts")
    ('netrc', None)
    """
    directory, _, name = path.rpartition("/")
    if path.startswith(_MOUNTS) and "kubernetes.io/serviceaccount" not in path:
        return _MOUNTED
    if _NAMES.fullmatch(name) is None:  # nearly all
        return None
    return next((kind for kind in _KINDS if _fits(kind, f"/{directory}", name)), None)


def _fits(kind: FileKind, directory: str, name: str) -> bool:
    is_there = not kind.above or re.search(f"{kind.above}$", directory) is not None
    return is_there and re.fullmatch(kind.name, name) is not None


def secrets_in(kind: FileKind, content: bytes) -> Iterator[Found]:
    """Yield what is secret in a file of a kind."""
    for value, start in _values(kind, content):
        yield Found(kind=kind.kind, severity=kind.severity, value=value, start=start)


def _values(kind: FileKind, content: bytes) -> Iterator[tuple[bytes, int]]:
    if kind.pattern is None:
        yield from _settings(content)
    elif kind.pattern:
        for match in _PATTERNS[kind.pattern].finditer(content):
            if kind.kind == "password-hash" or not judging.is_placeholder(match[1]):
                yield match[1], match.start(1)
    elif content.strip():
        yield content.strip(), 0


def _settings(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the values of those settings whose names say that they are secret."""
    for match in _SETTING.finditer(content):
        name, value = match[1].decode().replace("-", "_").replace(".", "_"), match[2]
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
        if looks_secret(name) and not judging.is_placeholder(value) and not _is_harmless(value):
            yield value, match.start(2)


def _is_harmless(value: bytes) -> bool:
    """Tell paths, addresses without passwords and numbers from secrets."""
    return value.startswith((b"/", b"./", b"http://", b"https://")) or (value.isdigit() and len(value) < 6)
