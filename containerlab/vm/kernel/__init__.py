"""Where the kernel of a guest comes from."""
