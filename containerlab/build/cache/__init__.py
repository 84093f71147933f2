"""What builds leave for later ones, here and elsewhere."""
