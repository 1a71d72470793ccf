"""Pure questions about the commit graph: walks, ancestry, revision names."""
