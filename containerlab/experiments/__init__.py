"""The same image as a process, a container and a virtual machine, measured side by side."""
