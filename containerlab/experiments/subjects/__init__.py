"""What is measured: processes, containers of several engines, virtual machines."""
