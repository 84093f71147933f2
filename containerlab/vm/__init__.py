"""Virtual machines from OCI images."""
