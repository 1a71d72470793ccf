"""Answers how tracts of one store belong together: spawned, collapsed, seen side by side."""
