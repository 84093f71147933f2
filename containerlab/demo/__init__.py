"""The demo: containers under limits on this very machine, drawn into one page."""
