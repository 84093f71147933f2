"""Organisations and repositories as their users set them up: rights on them, shares, quotas."""
