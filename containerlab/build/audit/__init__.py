"""What should not be in an image: secrets in its files, its configuration and its papers."""
