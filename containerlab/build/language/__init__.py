"""The language of Dockerfiles: text becomes typed instructions."""
