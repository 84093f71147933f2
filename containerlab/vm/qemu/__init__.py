"""QEMU: its command line, its accelerators, its monitor protocol, its snapshots."""
