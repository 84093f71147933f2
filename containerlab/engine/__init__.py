"""The users' nouns and verbs: containers, images, volumes, the system. Thin sugar over a backend."""
