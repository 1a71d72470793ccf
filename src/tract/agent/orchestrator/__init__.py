"""A model that looks after a context: the toolkit in a loop, under a ceiling of autonomy, paused and stopped at will."""
