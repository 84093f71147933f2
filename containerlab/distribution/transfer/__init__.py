"""Images on their way: pull, push, copy."""
