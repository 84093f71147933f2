"""Virtual machines of the embedded backend."""
