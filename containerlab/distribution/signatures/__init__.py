"""Signatures of images in cosign's format, made and checked with a key."""
