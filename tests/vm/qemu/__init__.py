"""QEMU: command lines, accelerators, snapshots."""
