"""Rules that look after a context: what may be done, and what is to be done about it."""
