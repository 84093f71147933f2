"""One picture for each claim, and one of all six."""
