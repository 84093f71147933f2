"""What a browser sees: pages that the server writes, without scripts but for what needs them."""
