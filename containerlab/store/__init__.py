"""All that rests on disk: blobs, layers, images, container records."""
