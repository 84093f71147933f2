"""Filters of system calls: profiles, and their compilation to classic BPF."""
