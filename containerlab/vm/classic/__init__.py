"""The classic tier: an image's program as a service of a whole Debian, with systemd and sshd."""
