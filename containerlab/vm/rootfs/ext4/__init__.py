"""An ext4 file system written by us: no tools, no privileges, the same image gives the same bytes."""
