"""A pull or a push, shown while it goes on."""
