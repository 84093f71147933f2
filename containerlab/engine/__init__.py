"""The users' nouns and verbs."""
