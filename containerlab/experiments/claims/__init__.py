"""The six claims, each with its experiments and its verdict."""
