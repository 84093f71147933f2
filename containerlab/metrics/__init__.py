"""A container's cgroup as series of numbers."""
