"""What is in registry.db: all that a registry knows beside the content of its blobs.

Times are seconds since the epoch; flags are 0 or 1.
"""

from __future__ import annotations

from containerlab.store.database import Schema

__all__ = ["SCHEMA"]

_CONTENT = """
CREATE TABLE organizations (
    name TEXT PRIMARY KEY, description TEXT NOT NULL DEFAULT '', is_public INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER, created REAL NOT NULL, upstream INTEGER
) WITHOUT ROWID;
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, organization TEXT NOT NULL REFERENCES organizations,
    description TEXT NOT NULL DEFAULT '', category TEXT NOT NULL DEFAULT '',
    is_public INTEGER NOT NULL, created REAL NOT NULL
);
CREATE INDEX repositories_organization ON repositories (organization);
CREATE TABLE links (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest TEXT NOT NULL, size INTEGER NOT NULL, added REAL NOT NULL,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX links_digest ON links (digest);
CREATE TABLE promises (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest TEXT NOT NULL, account TEXT NOT NULL, made REAL NOT NULL,
    PRIMARY KEY (repository, digest, account)
) WITHOUT ROWID;
CREATE TABLE manifests (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    artifact_type TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '',
    annotations TEXT NOT NULL DEFAULT '{}',
    pushed REAL NOT NULL, pushed_by TEXT NOT NULL DEFAULT '', pulled REAL, pulls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_pushed ON manifests (pushed);
CREATE INDEX manifests_subject ON manifests (repository, subject) WHERE subject != '';
CREATE TABLE parts (
    repository INTEGER NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX parts_digest ON parts (repository, digest);
CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    name TEXT NOT NULL, digest TEXT NOT NULL, updated REAL NOT NULL,
    PRIMARY KEY (repository, name),
    FOREIGN KEY (repository, digest) REFERENCES manifests ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX tags_digest ON tags (repository, digest);
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, repository TEXT NOT NULL, account TEXT NOT NULL,
    algorithm TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_account ON uploads (account);
CREATE TABLE archives (
    id TEXT PRIMARY KEY, repository TEXT NOT NULL, tag TEXT NOT NULL, account TEXT NOT NULL,
    size INTEGER NOT NULL, status TEXT NOT NULL DEFAULT 'receiving', detail TEXT NOT NULL DEFAULT '',
    images TEXT NOT NULL DEFAULT '[]', created REAL NOT NULL, touched REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE accounts (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, hash TEXT NOT NULL, is_admin INTEGER NOT NULL DEFAULT 0,
    is_disabled INTEGER NOT NULL DEFAULT 0, organization TEXT REFERENCES organizations ON DELETE CASCADE,
    description TEXT NOT NULL DEFAULT '', created REAL NOT NULL, expires REAL,
    revision INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE rights (
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    scope TEXT NOT NULL, level INTEGER NOT NULL, until REAL,
    PRIMARY KEY (account, scope)
) WITHOUT ROWID;
CREATE INDEX rights_scope ON rights (scope);
CREATE TABLE shares (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    level INTEGER NOT NULL, given_by TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
    until REAL NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (repository, account)
) WITHOUT ROWID;
CREATE INDEX shares_account ON shares (account);
CREATE TABLE secrets (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    revision INTEGER NOT NULL, client TEXT NOT NULL DEFAULT '', created REAL NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX secrets_account ON secrets (account);
CREATE TABLE attempts (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX attempts_until ON attempts (until);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL,
    address TEXT NOT NULL DEFAULT '', repository TEXT NOT NULL DEFAULT '', tag TEXT NOT NULL DEFAULT '',
    digest TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_repository ON events (repository, id);
CREATE TABLE rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, kind TEXT NOT NULL, document TEXT NOT NULL,
    created REAL NOT NULL, ran REAL
);
CREATE INDEX rules_scope ON rules (scope, kind);
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, document TEXT NOT NULL, secret TEXT NOT NULL,
    seen INTEGER NOT NULL, created REAL NOT NULL
);
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next REAL, status TEXT NOT NULL DEFAULT 'waiting',
    code INTEGER NOT NULL DEFAULT 0, answer TEXT NOT NULL DEFAULT '', tried REAL
);
CREATE INDEX deliveries_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_next ON deliveries (webhook, id) WHERE next IS NOT NULL;
CREATE TABLE replications (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL, secret TEXT NOT NULL DEFAULT '',
    seen INTEGER NOT NULL, ran REAL, next REAL, created REAL NOT NULL
);
CREATE TABLE copies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    replication INTEGER NOT NULL REFERENCES replications ON DELETE CASCADE,
    action TEXT NOT NULL, repository TEXT NOT NULL, reference TEXT NOT NULL, created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next REAL, status TEXT NOT NULL DEFAULT 'waiting',
    detail TEXT NOT NULL DEFAULT '', tried REAL
);
CREATE INDEX copies_replication ON copies (replication, id);
CREATE INDEX copies_next ON copies (replication, id) WHERE next IS NOT NULL;
CREATE TABLE upstreams (
    id INTEGER PRIMARY KEY AUTOINCREMENT, prefix TEXT NOT NULL UNIQUE, document TEXT NOT NULL,
    secret TEXT NOT NULL DEFAULT '', created REAL NOT NULL
);
CREATE TABLE fresh (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    name TEXT NOT NULL, checked REAL NOT NULL, PRIMARY KEY (repository, name)
) WITHOUT ROWID;
CREATE TABLE examinations (
    digest TEXT NOT NULL, kind TEXT NOT NULL, made REAL NOT NULL, document TEXT NOT NULL,
    counts TEXT NOT NULL DEFAULT '{}', problem TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (digest, kind)
) WITHOUT ROWID;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    revision INTEGER NOT NULL, created REAL NOT NULL, touched REAL NOT NULL, until REAL
) WITHOUT ROWID
"""

SCHEMA = Schema((_CONTENT,), "restore it from a backup; the blobs are still there")
