"""Replication: images copied to other registries and from them."""
