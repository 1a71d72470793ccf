"""A model that looks after a context: a toolkit in a loop, under a ceiling of autonomy."""
