"""What is in state.db: images, their names, and the steps of builds."""

from __future__ import annotations

__all__ = ["DAMAGED", "PARTS"]

_IMAGES = """
CREATE TABLE images (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE manifests (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest TEXT NOT NULL, id TEXT NOT NULL, platform TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (image, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_id ON manifests (id);
CREATE TABLE contents (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (image, digest, kind)
) WITHOUT ROWID;
CREATE TABLE names (name TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images) WITHOUT ROWID;
CREATE INDEX names_image ON names (image)
"""
_BUILDS = """
CREATE TABLE build_steps (
    key TEXT PRIMARY KEY, slot TEXT NOT NULL, parts TEXT NOT NULL, text TEXT NOT NULL, diff_id TEXT NOT NULL,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX build_steps_slot ON build_steps (slot, created);
CREATE TABLE build_contents (
    tree TEXT NOT NULL, selection TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (tree, selection)
) WITHOUT ROWID
"""
PARTS = (_IMAGES, _BUILDS)
DAMAGED = "move it away: names are then read again from oci/index.json"
