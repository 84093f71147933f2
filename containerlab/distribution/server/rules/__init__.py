"""Rules about tags: which are immutable, which go when."""
