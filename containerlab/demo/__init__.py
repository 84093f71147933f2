"""The demo: containers under limits on this very machine, drawn into one page."""

from containerlab.demo.command import main

__all__ = ["main"]
