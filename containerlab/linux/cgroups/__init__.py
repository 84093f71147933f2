"""Cgroups: limits, accounting and holding of a group of processes, whatever layout the host has.

`hierarchy.detect()` finds the layout, `Cgroup.plan()` decides what to do (data), `control` does it.
"""
