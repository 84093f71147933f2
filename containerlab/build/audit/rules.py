"""The kinds of secrets that can be told from their looks: one line each.

A line says how such a secret begins and goes on. `tokens` makes few expressions of all lines, each of which
looks for one rare character of theirs (`pivot`), as fast as memchr(3) finds it.

Sources: what the issuers document; gitleaks' and detect-secrets' lists of prefixes were compared.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """A kind of secret. prefix: its first characters, with | before the pivot. body: what follows."""

    kind: str
    severity: str
    prefix: str
    body: str

    @property
    def pivot(self) -> str:
        """The character that is looked for."""
        return self.prefix[self.prefix.index("|") + 1]

    @property
    def before(self) -> str:
        """The beginning up to and with the pivot."""
        return self.prefix[: self.prefix.index("|") + 2].replace("|", "")

    @property
    def after(self) -> str:
        """What of the beginning stands after the pivot."""
        return self.prefix[self.prefix.index("|") + 2 :]

    @property
    def start(self) -> str:
        return self.prefix.replace("|", "")


_ALNUM = "[A-Za-z0-9]"
_WORD = "[A-Za-z0-9_-]"
_HEX = "[a-f0-9]"
_IS = r"""["']?\s*[=:]\s*["']?"""
_GAP = r"""(?:\\[rn]|[\s"'+,])*"""
_KEY = rf"""PRIVATE KEY(?: BLOCK)?-----{_GAP}(?:[A-Z][\w-]+: [^\n]*\n\s*)*[A-Za-z0-9+/=]{{40}}"""

RULES = tuple(
    Rule(*line)
    for line in (
        # source code
        ("github-token", "high", "ghp|_", _ALNUM + "{36}"),
        ("github-token", "high", "gho|_", _ALNUM + "{36}"),
        ("github-token", "high", "ghu|_", _ALNUM + "{36}"),
        ("github-token", "high", "ghs|_", _ALNUM + "{36}"),
        ("github-token", "high", "ghr|_", _ALNUM + "{36}"),
        ("github-token", "high", "github|_pat_", rf"{_ALNUM}{{22}}_{_ALNUM}{{59}}"),
        ("gitlab-token", "high", "glpat|-", _WORD + r"{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]+)?"),
        ("gitlab-token", "high", "glptt|-", _HEX + "{40}"),
        ("gitlab-token", "high", "gldt|-", _WORD + "{20,}"),
        ("gitlab-token", "high", "glrt|-", _WORD + "{20,}"),
        ("gitlab-token", "high", "glcbt|-", rf"{_ALNUM}{{1,5}}_{_WORD}{{20}}"),
        # clouds
        ("aws-access-key", "medium", "AK|IA", "[A-Z2-7]{16}"),
        ("aws-access-key", "medium", "AS|IA", "[A-Z2-7]{16}"),
        ("aws-secret-key", "high", "aws|_secret_access_key", _IS + "[A-Za-z0-9/+]{40}"),
        ("aws-secret-key", "high", "AWS|_SECRET_ACCESS_KEY", _IS + "[A-Za-z0-9/+]{40}"),
        ("aws-secret-key", "high", '"SecretAccessKey"|:', r'\s*"[A-Za-z0-9/+]{40}"'),
        ("gcp-service-account", "high", '"private|_key_id"', r'\s*:\s*"[a-f0-9]{40}"'),
        ("gcp-api-key", "medium", "A|Iza", _WORD + "{35}"),
        ("gcp-oauth-token", "high", "ya29|.", _WORD + "{50,}"),
        ("gcp-oauth-secret", "high", "GOCSPX|-", _WORD + "{28}"),
        ("azure-storage-key", "high", "AccountKey|=", "[A-Za-z0-9+/]{86}=="),
        ("azure-shared-key", "high", "SharedAccessKey|=", "[A-Za-z0-9+/]{43}="),
        ("azure-sas", "medium", "&sig|=", "[A-Za-z0-9%]{43,}%3[Dd]"),
        ("digitalocean-token", "high", "dop_v1|_", _HEX + "{64}"),
        ("digitalocean-token", "high", "doo_v1|_", _HEX + "{64}"),
        ("digitalocean-token", "high", "dor_v1|_", _HEX + "{64}"),
        ("heroku-key", "high", "HRKU|-", _WORD + "{60}"),
        ("databricks-token", "high", "DATABRICKS|_TOKEN", _IS + "dapi[a-f0-9]{32}(?:-[0-9])?"),
        ("tailscale-key", "high", "tskey|-", rf"(?:auth|api|client|scim)-{_ALNUM}{{8,}}-{_ALNUM}{{16,}}"),
        # infrastructure
        ("vault-token", "high", "hvs|.", _WORD + "{24,}"),
        ("vault-token", "high", "hvb|.", _WORD + "{24,}"),
        ("terraform-cloud-token", "high", "|.atlasv1.", _WORD + "{60,70}"),
        ("pulumi-token", "high", "pul|-", _HEX + "{40}"),
        ("doppler-token", "high", "dp|.pt.", _ALNUM + "{43}"),
        ("grafana-token", "high", "glsa|_", rf"{_ALNUM}{{32}}_[A-Fa-f0-9]{{8}}"),
        ("new-relic-key", "high", "NRAK|-", "[A-Z0-9]{27}"),
        ("sentry-token", "high", "sntrys|_", r"eyJ[A-Za-z0-9]{20,}[\w=+/-]{20,}"),
        ("supabase-token", "high", "sbp|_", _HEX + "{40}"),
        ("planetscale-token", "high", "pscale|_tkn_", r"[\w=.-]{32,64}"),
        ("planetscale-token", "high", "pscale|_pw_", r"[\w=.-]{32,64}"),
        # packages
        ("npm-token", "high", "npm|_", _ALNUM + "{36}"),
        ("npm-login", "high", "|_authToken", r"""\s*=\s*["']?[^\s"'$]{8,}"""),
        ("pypi-token", "high", "pypi|-", rf"AgEIcHlwaS5vcmc{_WORD}{{50,}}"),
        ("rubygems-key", "high", "rubygems|_", _HEX + "{48}"),
        ("docker-hub-token", "high", "dckr|_pat_", _WORD + "{27}"),
        ("registry-login", "high", '"auth"|:', r'\s*"[A-Za-z0-9+/]{8,}={0,2}"'),
        # services
        ("slack-token", "high", "xoxb|-", "[0-9]{9,}-[A-Za-z0-9-]{16,}"),
        ("slack-token", "high", "xoxp|-", "[0-9]{9,}-[A-Za-z0-9-]{16,}"),
        ("slack-token", "high", "xoxa|-", "[0-9]{1,}-[A-Za-z0-9-]{16,}"),
        ("slack-token", "high", "xoxr|-", "[0-9]{9,}-[A-Za-z0-9-]{16,}"),
        ("slack-token", "high", "xapp|-", r"\d-[A-Z0-9]+-\d+-[a-f0-9]{32,}"),
        (
            "slack-webhook",
            "medium",
            "hooks|.slack.com/services/",
            rf"T[A-Z0-9]{{8,}}/B[A-Z0-9]{{8,}}/{_ALNUM}{{24}}",
        ),
        ("discord-webhook", "medium", "discord|.com/api/webhooks/", rf"\d{{17,}}/{_WORD}{{60,}}"),
        ("telegram-token", "high", "|:AA", _WORD + "{33}"),
        ("stripe-key", "high", "sk_live|_", _ALNUM + "{24,}"),
        ("stripe-key", "high", "rk_live|_", _ALNUM + "{24,}"),
        ("stripe-key", "low", "sk_test|_", _ALNUM + "{24,}"),
        ("square-secret", "high", "sq0csp|-", _WORD + "{43}"),
        ("shopify-token", "high", "shpat|_", "[a-fA-F0-9]{32}"),
        ("shopify-token", "high", "shpss|_", "[a-fA-F0-9]{32}"),
        ("sendgrid-key", "high", "SG|.", rf"{_WORD}{{22}}\.{_WORD}{{43}}"),
        ("mailgun-key", "medium", "key|-", _HEX + "{32}"),
        ("twilio-key", "high", "TWILIO|_AUTH_TOKEN", _IS + _ALNUM + "{32}"),
        ("twilio-key", "high", "TWILIO|_API_SECRET", _IS + _ALNUM + "{32}"),
        ("twilio-key", "medium", "S|K", _HEX + "{32}"),
        ("postman-key", "high", "PMAK|-", rf"{_HEX}{{24}}-{_HEX}{{34}}"),
        ("linear-key", "high", "lin|_api_", _ALNUM + "{40}"),
        # models
        ("hugging-face-token", "high", "hf|_", "[A-Za-z]{34}"),
        ("anthropic-key", "high", "sk|-ant-", rf"[a-z]+[0-9]{{2}}-{_WORD}{{80,}}"),
        ("openai-key", "high", "sk|-proj-", _WORD + "{40,}"),
        ("openai-key", "high", "sk|-svcacct-", _WORD + "{40,}"),
        ("openai-key", "high", "sk|-", _ALNUM + r"{20}T3BlbkFJ" + _ALNUM + "{20}"),
        ("openrouter-key", "high", "sk|-or-v1-", _HEX + "{64}"),
        ("groq-key", "high", "gsk|_", _ALNUM + "{52}"),
        ("replicate-token", "high", "r8|_", _ALNUM + "{37}"),
        # keys and logins
        ("private-key", "high", "----|-BEGIN ", rf"(?:[A-Z]+ ){{0,2}}{_KEY}"),
        ("age-key", "high", "AGE|-SECRET-KEY-1", "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
        ("putty-key", "high", "PuTTY|-User-Key-File-", r"[23]: [^\n]*\n(?:[^\n]*\n){3,60}?Private-Lines"),
        ("jwt", "medium", "|.eyJ", rf"{_WORD}{{8,}}\.{_WORD}{{16,}}"),
        ("url-password", "high", "|://", r"[\w.~%+-]{1,64}:[\w.~!*+,;=%&^#?-]{3,100}@[\w.\[-]"),
    )
)
