"""The first process of guests, in real machines."""
