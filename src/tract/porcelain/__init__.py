"""The public API: thin methods over the operations."""
