"""The files that COPY and ADD move: which, where to, and as what layer."""
