"""A Dockerfile becomes an image: a compiler (parse, expand, graph) and a solver (cache, perform, export)."""
