"""What Dockerfiles become, checked against Docker: a folder a case, see README.md."""
