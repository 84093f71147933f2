"""A registry: the OCI distribution protocol, and the life cycle of what it keeps."""
