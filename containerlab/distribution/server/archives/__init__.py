"""Archives of images that are uploaded, and taken into a repository."""
