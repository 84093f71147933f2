"""Each user option once: name, flags, help, type, unit and its place in the Docker API."""
