"""The verbs of registries: ours, served and set up; and everybody's, looked at, logged in to, signed at."""
