"""Full text search over everything that was ever committed."""
