"""The registry's own REST API: its nouns, their values and operations, for server and client alike."""
