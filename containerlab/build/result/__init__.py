"""What becomes of what was built."""
