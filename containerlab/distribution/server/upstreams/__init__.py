"""The pull-through cache: what is missing here is looked for in another registry."""
