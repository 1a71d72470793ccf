"""What tract's values are: contents, commits, refs, messages, configs, and their hashes."""
