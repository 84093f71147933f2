"""What is in repositories: blobs and uploads, manifests and tags, and how they come and go."""
