"""Names and documents of the OCI specifications: pure values, no I/O."""
