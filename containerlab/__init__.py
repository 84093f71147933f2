"""Container technology that you can pip install, run in a notebook and see through."""

__version__ = "0.1.0"
