"""An OCI bundle becomes processes."""
