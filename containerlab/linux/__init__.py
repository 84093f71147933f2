"""What the kernel can, one facility a file, without policy; standard library only."""
