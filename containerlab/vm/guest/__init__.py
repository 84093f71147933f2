"""What runs inside: the first process, and the frames that it speaks."""
