"""Statements about an image, attached to its index: what it consists of, how it was built."""
