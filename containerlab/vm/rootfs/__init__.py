"""The layers of an image become the root file system of a guest."""
