"""The OCI distribution protocol over ASGI."""
