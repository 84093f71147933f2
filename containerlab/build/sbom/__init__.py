"""What an image consists of: packages found in its layers, and documents that list them."""
