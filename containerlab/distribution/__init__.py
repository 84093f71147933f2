"""Registries: a client for others, and a server of our own."""
